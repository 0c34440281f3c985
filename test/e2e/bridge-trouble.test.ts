import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { compareRuns } from "./testbed/compare.js";
import type { Daemon } from "./testbed/daemon.js";
import { normaliseRuns } from "./testbed/normalise.js";
import { prepareTestbed } from "./testbed/packages.js";
import { confOf, playScenario, type Scenario, wholeLife } from "./testbed/scenario.js";
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
const whole: Scenario = { name: "", title: "", runs: 4, recorded: false, run: wholeLife({ number: 70 }) };

/** The recorder takes its time when a container is created. */
const slow = (seconds: number) => ({ recorder: `[ "$state-$who" = create-container ] && sleep ${seconds}` });

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge in trouble", () => {
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

  test("a plugin that takes longer than the runtime waits fails its container, and not the next one", async () => {
    const scenario: Scenario = {
      ...whole,
      name: "too-slow",
      behaviour: slow(4),
      runs: 3, // The one that was too slow does not finish.
      async run(life) {
        const pod = await life.runPod({ number: 73 });
        const container = await life.create(pod);
        const begin = performance.now();
        await life.start(container);
        life.observations.push(performance.now() - begin < 2_500 ? "in time" : "too late");
        await life.end(pod, container);
      },
    };
    const results = await Promise.all(running.map(({ daemon, confFile }) => playScenario(scenario, daemon, confFile)));
    for (const { failedCalls, observations, runs } of results) {
      expect(failedCalls.map(({ method }) => method)).toEqual(["StartContainer"]);
      expect(failedCalls[0]?.details).toContain("plugin: recorder: ");
      expect(observations).toEqual(["in time"]);
      expect(normaliseRuns(runs).map(({ state, who }) => `${state} ${who}`)).toEqual([
        "create pod1",
        "delete ctr1",
        "delete pod1",
      ]);
    }
    await expectAsNative({ ...whole, name: "after-too-slow" });
  });

  test("a plugin's failure on one pod leaves the next pod as it is", async () => {
    const behaviour = { recorder: "echo garbage | answer 3; exit" };
    const scenario = { ...whole, name: "garbage", runs: 2, behaviour, run: runPodOnly };
    const toItsEnd: Scenario = { ...scenario, run: async (life) => life.end(await life.runPod({ number: 72 })) };
    const results = await Promise.all(
      running.map(async (target) => {
        const played = goesOnWhenRefused(target) ? toItsEnd : scenario;
        return { target, ...(await playScenario(played, target.daemon, target.confFile)) };
      }),
    );
    const expected = await playScenario(scenario, native, "/etc/nri/conf.json");
    const said = expected.failedCalls[0]?.details.replace("nri invoke: ", "") ?? "-";
    for (const { target, failedCalls } of results) {
      if (goesOnWhenRefused(target)) expect(failedCalls).toEqual([]);
      else expect(failedCalls[0]?.details).toContain(said);
    }
    await expectAsNative({ ...whole, name: "after-garbage" });
  });

  test("a bridge that is told to end does so, and pods go on without it", async () => {
    for (const target of running.filter(({ mode }) => mode === "external")) {
      await target.bridge.stop("SIGTERM");
      await expect(target.bridge.process?.exited).resolves.toBe(0);
      const scenario = { ...whole, name: "without-bridge", runs: 0 };
      const { runs, failedCalls } = await playScenario(scenario, target.daemon, target.confFile);
      expect({ runs, failedCalls }).toEqual({ runs: [], failedCalls: [] });
      await target.bridge.start();
    }
    await expectAsNative({ ...whole, name: "after-the-end" });
  });

  async function runPodOnly(life: Parameters<Scenario["run"]>[0]): Promise<void> {
    await life.runPod({ number: 72 });
  }

  /** Plays a scenario everywhere at once: no target differs from 1.6. */
  async function expectAsNative(scenario: Scenario): Promise<void> {
    const [expected, ...results] = await Promise.all([
      playScenario(scenario, native, "/etc/nri/conf.json"),
      ...running.map((target) => playScenario(scenario, target.daemon, target.confFile)),
    ]);
    const all = results.flatMap((result, index) => {
      const { runtime, mode } = running[index] ?? { runtime: "", mode: "" };
      const differences = compareRuns(expected.runs, result.runs);
      const failed = result.failedCalls.map(({ method, details }) => `${method}: ${details}`);
      return [...differences, ...failed].map((difference) => `${runtime} ${mode}: ${difference}`);
    });
    expect(all).toEqual([]);
  }
});

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge with other settings of the runtime", () => {
  test("a slow plugin is waited for as long as the runtime does", async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    const scenario = { ...whole, name: "slow", conf: confOf("recorder", "recorder2"), behaviour: slow(3), runs: 8 };
    const running = await startAll(targets.map((target) => startTarget(testbed, target, { requestTimeout: "10s" })));
    try {
      const results = await Promise.all(
        running.map(({ daemon, confFile }) => playScenario(scenario, daemon, confFile)),
      );
      for (const { runs, failedCalls } of results) expect([runs.length, failedCalls]).toEqual([8, []]);
    } finally {
      await stopAll(running);
    }
  });

  test("containerd 2.x and the bridge share one conf.json: each sandbox and container is served once", async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    const confFile = "/etc/nri/conf.json";
    const target = await startTarget(testbed, { runtime: "v2", mode: "external" }, { bridge: { confFile } });
    try {
      const { runs } = await playScenario({ ...whole, name: "shared" }, target.daemon, confFile);
      const seen = normaliseRuns(runs).map(({ state, who }) => `${state} ${who}`);
      expect(seen).toEqual(["create pod1", "create ctr1", "delete ctr1", "delete pod1"]);
    } finally {
      await target.daemon.stop();
    }
  });

  test("a sandbox that containerd must not be told no is held until its create succeeds, and containerd starts again", async () => {
    if (!prepared.ok) return;
    const { testbed } = prepared;
    const target = await startTarget(testbed, { runtime: "v2", mode: "external" });
    const { daemon, bridge, confFile } = target;
    expect(goesOnWhenRefused(target)).toBe(true);
    const scenario: Scenario = {
      ...whole,
      name: "held",
      conf: confOf("recorder", "nosuchplugin"),
      runs: 10,
      async run(life) {
        const pod = await life.runPod({ number: 74 });
        for (let refusal = 2; refusal <= 3; refusal++) await life.create(pod);
        await life.writeConf(confOf("recorder"));
        const container = await life.runContainer(pod);
        const since = daemon.log().length;
        await daemon.restart("SIGTERM");
        await bridge.waitUntilRegistered(since, 30_000);
        await life.end(pod, container);
      },
    };
    try {
      const { runs, failedCalls } = await playScenario(scenario, daemon, confFile);
      const seen = normaliseRuns(runs).map(({ state, who }) => `${state} ${who}`);
      const refused = ["create pod1", "delete pod1"];
      expect(seen).toEqual([
        ...refused,
        ...refused,
        ...refused,
        "create pod1",
        "create ctr1",
        "delete ctr1",
        "delete pod1",
      ]);
      expect(failedCalls).toMatchObject(
        Array(2).fill({ method: "CreateContainer", details: expect.stringContaining("plugin: nosuchplugin: ") }),
      );
    } finally {
      await daemon.stop();
    }
  });
});
