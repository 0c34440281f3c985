import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCases } from "../support/recorded-cases.js";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { compareRuns, normaliseRuns } from "./testbed/compare.js";
import type { Daemon } from "./testbed/daemon.js";
import { findMissingNeeds } from "./testbed/machine.js";
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
const recordedCases = readCases();

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge runs v0.1 plugins as containerd 1.6 does", () => {
  let native: Daemon;
  let running: readonly RunningTarget[] = [];

  beforeAll(async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    native = await startNative(testbed);
    running = await startAll(targets.map((target) => startTarget(testbed, target)));
  });

  afterAll(async () => {
    await native?.stop();
    await stopAll(running);
  });

  const cases = scenarios.map((scenario) => [scenario.name, scenario.title, scenario] as const);
  test.each(cases)("%s: %s", async (name, _, scenario) => {
    const [expected, ...results] = await Promise.all([
      playScenario(scenario, native, "/etc/nri/conf.json"),
      ...running.map(({ daemon, confFile }) => playScenario(scenario, daemon, confFile)),
    ]);
    if (scenario.recorded && !(scenario.recordedNeeds && missing.has(scenario.recordedNeeds))) {
      const recorded = recordedCases.find((recorded) => recorded.name === name);
      expect(compareRuns(recorded?.runs ?? [], expected.runs), "containerd 1.6 and the fixture").toEqual([]);
    }
    const differences = results.flatMap((result, index) => {
      const target = running[index];
      if (target === undefined) return [];
      const isHeld = wasRefusedSandbox(expected) && goesOnWhenRefused(target);
      const found = isHeld ? compareHeld(result) : compareResults(expected, result);
      return found.map((difference) => `${target.runtime} ${target.mode}: ${difference}`);
    });
    expect(differences).toEqual([]);
  });
});

const wasRefusedSandbox = ({ failedCalls }: ScenarioResult) =>
  failedCalls.some(({ method }) => method === "RunPodSandbox");

/** This containerd is not told that a sandbox was refused: the pod's containers fail in its place. */
function compareHeld(actual: ScenarioResult): string[] {
  return wasRefusedSandbox(actual) ? ["a sandbox was refused"] : [];
}

function compareResults(expected: ScenarioResult, actual: ScenarioResult): string[] {
  return [
    ...compareRuns(expected.runs, actual.runs),
    ...compareFailures(expected, actual),
    ...findDead(actual).filter((text) => !findDead(expected).includes(text)),
  ];
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

/** Creates whose process did not exist for the plugin. */
function findDead({ runs }: ScenarioResult): string[] {
  return normaliseRuns(runs)
    .filter(({ state, processAlive }) => state === "create" && !processAlive)
    .map(({ plugin, who }) => `${plugin} create ${who}: the process did not exist`);
}
