import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
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

  static async open(testbed: Testbed, target: Target): Promise<RestartStage> {
    const running = await startTarget(testbed, target);
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

  /** Ends the runtime, and then a container's process. */
  async killWithoutRuntime({ container }: StagedPod): Promise<void> {
    const { daemon } = this.target;
    const { pid } = await daemon.cri.containerStatus(container);
    await daemon.stopContainerd("SIGKILL");
    await daemon.namespace.run("/bin/kill", ["-s", "KILL", String(pid)]);
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
  async expectRuns(staged: StagedPod, expected: readonly string[]): Promise<void> {
    const enough = async () => ((await this.runsOf(staged)).length >= expected.length ? true : undefined);
    await waitFor("the plugin runs", 10_000, enough).catch(() => undefined);
    await sleep(300);
    expect(await this.runsOf(staged)).toEqual(expected);
  }

  /** Waits until the bridge has logged a sentence. */
  async expectSaid(sentence: string): Promise<void> {
    await waitFor(`"${sentence}"`, 15_000, () => this.target.bridge.linesThatSay(sentence)[0]);
  }
}
