import { describe, expect, test } from "vitest";
import { isBridgeBuilt } from "./testbed/bridge.js";
import { statesOf } from "./testbed/compare.js";
import { prepareTestbed } from "./testbed/packages.js";
import { confOf, playScenario, type Scenario, wholeLife } from "./testbed/scenario.js";
import {
  goesOnWhenRefused,
  hasValidator,
  type RunningTarget,
  startAll,
  startTarget,
  stopAll,
  type TargetOptions,
  targets,
} from "./testbed/target.js";

const prepared = await prepareTestbed();
const whole: Scenario = { name: "whole", title: "", runs: 4, recorded: false, run: wholeLife({ number: 70 }) };
const wholeStates = ["create pod1", "create ctr1", "delete ctr1", "delete pod1"];

/** The recorder takes its time when a container is created. */
const slow = (seconds: number) => ({ recorder: `[ "$state-$who" = create-container ] && sleep ${seconds}` });

describe.runIf(prepared.ok && isBridgeBuilt())("the bridge in trouble", () => {
  test("a plugin that takes longer than the runtime waits fails its container, and not the next one", async () => {
    await withTargets(targets, {}, async ({ daemon, confFile }) => {
      const { runs, failedCalls } = await playScenario(
        {
          ...{ ...whole, name: "too-slow", behaviour: slow(4) },
          runs: 3, // The one that was too slow does not finish.
          async run(life) {
            const pod = await life.runPod({ number: 73 });
            const container = await life.create(pod);
            await life.start(container);
            await life.end(pod, container);
          },
        },
        daemon,
        confFile,
      );
      // The bridge's words: a runtime that had waited in vain would have dropped it, and started the container.
      const error = { method: "StartContainer", details: expect.stringContaining("plugin: recorder: ") };
      expect(failedCalls).toMatchObject([error]);
      expect(statesOf(runs)).toEqual(["create pod1", "delete ctr1", "delete pod1"]);

      const next = await playScenario({ ...whole, name: "after-too-slow" }, daemon, confFile);
      expect([next.failedCalls, statesOf(next.runs)]).toEqual([[], wholeStates]);
    });
  });

  test("a slow plugin is waited for as long as the runtime does", async () => {
    await withTargets(targets, { requestTimeout: "10s" }, async ({ daemon, confFile }) => {
      const scenario = { ...whole, name: "slow", conf: confOf("recorder", "recorder2"), behaviour: slow(3), runs: 8 };
      const { runs, failedCalls } = await playScenario(scenario, daemon, confFile);
      expect([runs.length, failedCalls]).toEqual([8, []]);
    });
  });

  test("containerd 2.x and the bridge share one conf.json: each sandbox and container is served once", async () => {
    const confFile = "/etc/nri/conf.json";
    await withTargets([{ runtime: "v2", mode: "external" }], { bridge: { confFile } }, async ({ daemon }) => {
      const { runs } = await playScenario({ ...whole, name: "shared" }, daemon, confFile);
      expect(statesOf(runs)).toEqual(wholeStates);
    });
  });

  test("a sandbox that containerd must not be told no is held until its create succeeds, and containerd starts again", async ({
    skip,
  }) => {
    await withTargets([{ runtime: "v2", mode: "external" }], {}, async (target) => {
      const { daemon, bridge, confFile } = target;
      skip(!goesOnWhenRefused(target), `containerd ${daemon.runtime.version} can be told`);
      const scenario: Scenario = {
        ...{ ...whole, name: "held", conf: confOf("recorder", "nosuchplugin"), runs: 10 },
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
      const { runs, failedCalls } = await playScenario(scenario, daemon, confFile);
      const refused = ["create pod1", "delete pod1"];
      expect(statesOf(runs)).toEqual([...refused, ...refused, ...refused, ...wholeStates]);
      expect(failedCalls).toMatchObject(
        Array(2).fill({ method: "CreateContainer", details: expect.stringContaining("plugin: nosuchplugin: ") }),
      );
    });
  });

  // docs/MIGRATION.md, "Never without plugins".
  test("with required_plugins containerd creates no container while the bridge is away, but those that tolerate it", async ({
    skip,
  }) => {
    const requiredPlugins = ["v01-bridge"];
    await withTargets(
      [{ runtime: "v2", mode: "external" }],
      { requiredPlugins },
      async ({ daemon, bridge, confFile }) => {
        skip(!hasValidator(daemon.runtime.version), `containerd ${daemon.runtime.version} has no validator`);
        const there = await playScenario({ ...whole, name: "required" }, daemon, confFile);
        expect([there.failedCalls, statesOf(there.runs)]).toEqual([[], wholeStates]);

        await bridge.stop("SIGKILL");
        const away = await playScenario({ ...whole, name: "away", runs: 0 }, daemon, confFile);
        const refused = { method: "CreateContainer", details: expect.stringContaining("v01-bridge") };
        expect(away.failedCalls[0]).toMatchObject(refused);
        const annotations = { "tolerate-missing-plugins.nri-v01-bridge": "true" };
        const run = wholeLife({ number: 76, annotations });
        const tolerated = await playScenario({ ...whole, name: "tolerated", runs: 0, run }, daemon, confFile);
        expect([tolerated.failedCalls, tolerated.runs]).toEqual([[], []]);

        await bridge.start();
        const back = await playScenario({ ...whole, name: "back" }, daemon, confFile);
        expect([back.failedCalls, statesOf(back.runs)]).toEqual([[], wholeStates]);
      },
    );
  });
});

/** Does the same on each of these targets at once. */
async function withTargets(
  wanted: typeof targets,
  options: TargetOptions,
  play: (target: RunningTarget) => Promise<void>,
): Promise<void> {
  if (!prepared.ok) return;
  const { testbed } = prepared;
  const running = await startAll(wanted.map((target) => startTarget(testbed, target, options)));
  try {
    await Promise.all(running.map(play));
  } finally {
    await stopAll(running);
  }
}
