import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { compareRuns, formatTable } from "./testbed/compare.js";
import type { Daemon } from "./testbed/daemon.js";
import { findMissingNeeds } from "./testbed/machine.js";
import { normaliseRuns } from "./testbed/normalise.js";
import { prepareTestbed } from "./testbed/packages.js";
import { playScenario, type ScenarioResult } from "./testbed/scenario.js";
import { scenarios } from "./testbed/scenarios.js";
import {
  goesOnWhenRefused,
  type RunningTarget,
  startAll,
  startNative,
  startTarget,
  stopAll,
  targets,
} from "./testbed/target.js";

const prepared = await prepareTestbed();
const missing = await findMissingNeeds();

/** A row of the table: case, runs, differences, ms. */
type Row = readonly (string | number)[];

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge runs v0.1 plugins as containerd 1.6 does", () => {
  let native: Daemon;
  let running: readonly (RunningTarget & { readonly rows: Row[] })[] = [];

  beforeAll(async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    native = await startNative(testbed);
    const started = await startAll(targets.map((target) => startTarget(testbed, target)));
    running = started.map((target) => ({ ...target, rows: [] }));
  });

  afterAll(async () => {
    for (const { daemon, mode, rows } of running) {
      const head = ["case", "runs", "differences", "ms"];
      console.log(`containerd ${daemon.runtime.version}, ${mode} bridge\n${formatTable(head, rows)}`);
    }
    await native?.stop();
    await stopAll(running);
  });

  for (const scenario of scenarios) {
    test.skipIf(scenario.needs && missing.has(scenario.needs))(`${scenario.name}: ${scenario.title}`, async () => {
      const [expected, ...results] = await Promise.all([
        playScenario(scenario, native, "/etc/nri/conf.json"),
        ...running.map(({ daemon, confFile }) => playScenario(scenario, daemon, confFile)),
      ]);
      expect(expected.observations).toEqual(scenario.observes ?? []);
      const differences = results.flatMap((result, index) => {
        const target = running[index];
        if (target === undefined) return [];
        if (wasRefusedSandbox(expected) && goesOnWhenRefused(target)) {
          // This containerd is not told: the pod's containers fail in its place.
          return wasRefusedSandbox(result) ? [`${target.runtime} ${target.mode}: a sandbox was refused`] : [];
        }
        const found = compareRuns(expected.runs, result.runs);
        const all = [...found, ...comparers.flatMap((compare) => compare(expected, result))];
        target.rows.push([scenario.name, result.runs.length, all.length, result.durationMs]);
        return all.map((difference) => `${target.runtime} ${target.mode}: ${difference}`);
      });
      expect(differences).toEqual([]);
    });
  }
});

const wasRefusedSandbox = ({ failedCalls }: ScenarioResult) =>
  failedCalls.some(({ method }) => method === "RunPodSandbox");

const comparers = [compareFailures, compareLife, compareObservations];

/** What plugins did to the node is the same. */
function compareObservations(expected: ScenarioResult, actual: ScenarioResult): string[] {
  const [wanted, found] = [expected.observations.join(", "), actual.observations.join(", ")];
  return wanted === found ? [] : [`on the node: ${found}, instead of ${wanted}`];
}

/** The same CRI calls fail, and say what the plugin said. */
function compareFailures(expected: ScenarioResult, actual: ScenarioResult): string[] {
  const methods = ({ failedCalls }: ScenarioResult) => failedCalls.map(({ method }) => method).join(", ");
  if (methods(expected) !== methods(actual)) {
    const details = actual.failedCalls.map((call) => call.details).join("; ");
    return [`failed calls: ${methods(actual) || "none"} (${details}), instead of ${methods(expected) || "none"}`];
  }
  return expected.failedCalls.flatMap(({ method, details }, index) => {
    const said = details.replace(/^nri invoke: /, "");
    const says = actual.failedCalls[index]?.details ?? "";
    return says.includes(said) ? [] : [`${method} failed with: ${says}, instead of ${said}`];
  });
}

/** A process that plugins found alive is alive for them again when its creation is told. */
function compareLife(expected: ScenarioResult, actual: ScenarioResult): string[] {
  const dead = (result: ScenarioResult) =>
    normaliseRuns(result.runs)
      .filter(({ state, processAlive }) => state === "create" && !processAlive)
      .map(({ plugin, who }) => `${plugin} create ${who}: the process did not exist`);
  const known = dead(expected);
  return dead(actual).filter((text) => !known.includes(text));
}
