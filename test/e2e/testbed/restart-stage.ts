import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { BridgeOptions } from "./bridge.js";
import { linesThatSay } from "./bridge-log.js";
import { stateDirectory } from "./bridge-state.js";
import { ChaosPlugins } from "./chaos-plugins.js";
import { createRandom } from "./chaos-random.js";
import { waitFor } from "./command.js";
import type { Testbed } from "./packages.js";
import { PodLife } from "./pod-life.js";
import { type RunningTarget, startTarget, type Target } from "./target.js";

/** A pod with one container on a stage. */
export interface StagedPod {
  readonly pod: string;
  readonly container: string;
}

/**
 * One runtime with one bridge, and a chain of two plugins: the first notes its runs, the second can be held in the
 * middle of one.
 */
export class RestartStage {
  readonly life: PodLife;

  private constructor(
    readonly target: RunningTarget,
    readonly plugins: ChaosPlugins,
  ) {
    this.life = new PodLife(target.daemon, target.confFile, target.daemon.directory);
  }

  static async open(testbed: Testbed, target: Target, bridge: Partial<BridgeOptions> = {}): Promise<RestartStage> {
    const running = await startTarget(testbed, target, { bridge });
    try {
      const plugins = await ChaosPlugins.install(running, createRandom(1));
      await plugins.swapConf(["victim"]);
      return new RestartStage(running, plugins);
    } catch (thrown) {
      await running.daemon.stop();
      throw thrown;
    }
  }

  async close(): Promise<void> {
    await this.target.daemon.stop();
  }

  /** A pod with a running container. */
  async up(number: number): Promise<StagedPod> {
    const pod = await this.life.runPod({ number });
    return { pod, container: await this.life.runContainer(pod) };
  }

  /** The kubelet's end for it. No call of a test on this stage may have failed by then. */
  async down({ pod, container }: StagedPod): Promise<void> {
    await this.life.end(pod, container);
    expect(this.life.failedCalls).toEqual([]);
  }

  async restartBridge(): Promise<void> {
    await this.target.bridge.stop("SIGKILL");
    await this.target.bridge.start();
  }

  /** Ends the runtime, where it runs, and starts it again; gives it back with the bridge as its plugin. */
  async restartRuntime(signal: NodeJS.Signals): Promise<void> {
    const { daemon, bridge } = this.target;
    const since = daemon.log().length;
    await daemon.restart(signal);
    await bridge.waitUntilRegistered(since, 30_000);
  }

  /** Puts a small disk of its own in the place of the state directory. */
  async mountState(options: string): Promise<void> {
    const { namespace } = this.target.daemon;
    await namespace.run("mkdir", ["-p", stateDirectory]);
    const { stderr } = await namespace.run("mount", [
      "-t",
      "tmpfs",
      "-o",
      `mode=0755,${options}`,
      "tmpfs",
      stateDirectory,
    ]);
    expect(stderr).toBe("");
  }

  /** Runs shell in the state directory. */
  async inState(command: string): Promise<void> {
    const { stderr } = await this.target.daemon.namespace.run("/bin/sh", ["-c", `cd ${stateDirectory} && ${command}`]);
    expect(stderr).toBe("");
  }

  /** What the plugins were told of a pod so far: `create pod`, `create ctr`, ... */
  async runsOf({ pod, container }: StagedPod): Promise<string[]> {
    const runs = await this.plugins.witnessed();
    return runs.flatMap(({ id, state }) => {
      const who = id === pod ? "pod" : id === container ? "ctr" : undefined;
      return who === undefined ? [] : [`${state} ${who}`];
    });
  }

  /** Waits until a pod's runs are these, and looks a moment later whether they still are. */
  async expectRuns(staged: StagedPod, expected: readonly string[], timeoutMs = 10_000): Promise<void> {
    const enough = async () => ((await this.runsOf(staged)).length >= expected.length ? true : undefined);
    await waitFor("the plugin runs", timeoutMs, enough).catch(() => undefined);
    await sleep(300);
    expect(await this.runsOf(staged)).toEqual(expected);
  }

  /** Waits until the bridge has logged a sentence so many times. */
  async expectSaid(sentence: string, times = 1, timeoutMs = 10_000): Promise<void> {
    const said = () => linesThatSay(this.target.bridge, sentence).length;
    await waitFor(`"${sentence}"`, timeoutMs, () => (said() >= times ? true : undefined));
  }
}

/** The four runs of a pod whose life nothing disturbs. */
export const wholeLifeRuns = ["create pod", "create ctr", "delete ctr", "delete pod"] as const;
