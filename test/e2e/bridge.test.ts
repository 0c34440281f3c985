import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bridge, installBridge, isBridgeBuilt } from "./testbed/bridge.js";
import { compareRuns, formatTable } from "./testbed/compare.js";
import { Daemon } from "./testbed/daemon.js";
import { normaliseRuns } from "./testbed/normalise.js";
import { prepareTestbed, type RuntimeName } from "./testbed/packages.js";
import { hasCompiler, installPlugins } from "./testbed/records.js";
import { playScenario, type ScenarioResult } from "./testbed/scenario.js";
import { scenarios } from "./testbed/scenarios.js";

const prepared = await prepareTestbed();
const compiler = await hasCompiler();

/** Not containerd's own /etc/nri/conf.json: 2.x would run the sandboxes' plugins itself. */
const confFile = "/etc/nri/v01/conf.json";

/** One way to run the bridge under one runtime. */
interface Target {
  readonly runtime: Exclude<RuntimeName, "native">;
  readonly mode: "external" | "launched";
}

const targets: readonly Target[] = [
  { runtime: "v17", mode: "external" },
  { runtime: "v17", mode: "launched" },
  { runtime: "v2", mode: "external" },
  { runtime: "v2", mode: "launched" },
];

/** What differs and is known: taken from the list when it no longer does. */
const openDifferences: readonly { readonly scenario: string; readonly difference: RegExp; readonly reason: string }[] =
  [
    {
      scenario: "killed-pause",
      difference: /order: .*delete ctr1, recorder delete pod1, /,
      reason: "pids are not watched yet",
    },
    { scenario: "runtime-restart", difference: /launched: .* did not run/, reason: "there is no journal yet" },
  ];

/** A target with its daemon, its bridge, and a row of the table per scenario. */
interface Running extends Target {
  readonly daemon: Daemon;
  readonly bridge: Bridge;
  readonly rows: (string | number)[][];
}

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge runs v0.1 plugins as containerd 1.6 does", () => {
  let native: Daemon;
  let running: readonly Running[] = [];

  beforeAll(async () => {
    if (!prepared.ok) return;
    const startTarget = async (target: Target): Promise<Running> => {
      const bridges: Bridge[] = [];
      const daemon = await Daemon.start(prepared.testbed, target.runtime, {
        install: async (started) => {
          await installPlugins(started);
          bridges.push(await installBridge(started, { mode: target.mode, confFile }));
        },
      });
      const [bridge] = bridges;
      if (bridge === undefined) throw new Error("no bridge was installed");
      await bridge.start();
      return { ...target, daemon, bridge, rows: [] };
    };
    [native, ...running] = await startAll(
      Daemon.start(prepared.testbed, "native", { install: installPlugins }),
      targets.map(startTarget),
    );
  });

  afterAll(async () => {
    for (const { daemon, mode, rows } of running) {
      const head = ["case", "compared", "equal", "differing", "ms"];
      console.log(`containerd ${daemon.runtime.version}, ${mode} bridge\n${formatTable(head, rows)}`);
    }
    await Promise.all([native?.stop(), ...running.map(({ daemon }) => daemon.stop())]);
  });

  for (const scenario of scenarios) {
    test.runIf(compiler || !scenario.needsCompiler)(`${scenario.name}: ${scenario.title}`, async () => {
      const [expected, ...results] = await Promise.all([
        playScenario(scenario, native, "/etc/nri/conf.json"),
        ...running.map(({ daemon }) => playScenario(scenario, daemon, confFile)),
      ]);
      const differences = results.flatMap((result, index) => {
        const target = running[index];
        if (target === undefined) return [];
        const found = compareRuns(normaliseRuns(expected.runs), normaliseRuns(result.runs));
        const all = [...found.differences, ...compareFailures(expected, result), ...compareLife(expected, result)];
        target.rows.push([scenario.name, found.compared, found.equal, all.length, result.durationMs]);
        return all.map((difference) => `${target.runtime} ${target.mode}: ${difference}`);
      });
      const open = openDifferences.filter((one) => one.scenario === scenario.name);
      for (const { difference, reason } of open)
        expect(differences, reason).toContainEqual(expect.stringMatching(difference));
      expect(differences.filter((text) => !open.some(({ difference }) => difference.test(text)))).toEqual([]);
    });
  }
});

/** All daemons at once; those that did start are stopped if one does not. */
async function startAll(first: Promise<Daemon>, others: Promise<Running>[]): Promise<[Daemon, ...Running[]]> {
  try {
    return [await first, ...(await Promise.all(others))];
  } catch (thrown) {
    const started = await Promise.allSettled([first, ...others.map(async (other) => (await other).daemon)]);
    await Promise.all(started.map((one) => (one.status === "fulfilled" ? one.value.stop() : undefined)));
    throw thrown;
  }
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
