import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "./chaos-random.js";
import { CriError } from "./cri.js";
import { containerConfig, podConfig } from "./cri-config.js";
import type { Daemon } from "./daemon.js";

/** What became of one sandbox or container, by our own clock. */
export interface Life {
  readonly id: string;
  /** The call whose event is its create: RunPodSandbox, StartContainer. */
  readonly createBeganMs: number;
  readonly createEndedMs: number;
  /** Before the first call that ends it. */
  stopBeganMs: number;
}

/** How long teardown is tried again: a runtime that restarts is back before that. */
const teardownMs = 60_000;

/** The kubelet's part on one daemon: brings pods up and tears them down, whatever fails. */
export class ChaosKubelet {
  readonly lives: Life[] = [];
  /** Calls that bring a pod up and failed, by what they said. */
  readonly failed: CriError[] = [];
  /** How long StartContainer took, in milliseconds. */
  readonly startMs: number[] = [];
  pods = 0;
  retries = 0;

  constructor(
    private readonly daemon: Daemon,
    private readonly random: Random,
  ) {}

  /**
   * One pod with one container, in and out.
   *
   * As the kubelet does, it removes no sandbox that still has a container: containerd 2.1's RemovePodSandbox holds the lock that a
   * plugin's registration waits for, and its RemoveContainer within asks for it again. A bridge that registers just then, and every
   * call after it, waits for ever.
   */
  async runPod(): Promise<void> {
    const { cri } = this.daemon;
    const config = podConfig({ number: ++this.pods }, this.daemon.nextUid(), this.daemon.logRoot);
    const sandbox = await this.#bringUp(() => cri.runPodSandbox(config));
    if (sandbox === undefined) return;
    const pod = this.#lives(sandbox.value, sandbox);
    const container = await this.#bringUp(() => cri.createContainer(pod.id, containerConfig({}, config), config));
    const ctr = container?.value;
    const started = ctr === undefined ? undefined : await this.#bringUp(() => cri.startContainer(ctr), true);
    const life = ctr === undefined || started === undefined ? undefined : this.#lives(ctr, started);
    await sleep(this.random.between(0, 400));
    if (ctr !== undefined && this.random.next() < 0.6) {
      if (life !== undefined) life.stopBeganMs = Date.now();
      await this.#tearDown(() => cri.stopContainer(ctr));
      await this.#tearDown(() => cri.removeContainer(ctr));
    }
    const now = Date.now();
    pod.stopBeganMs = now;
    if (life !== undefined) life.stopBeganMs = Math.min(life.stopBeganMs, now);
    await this.#tearDown(() => cri.stopPodSandbox(pod.id));
    if (ctr !== undefined) await this.#tearDown(() => cri.removeContainer(ctr));
    await this.#tearDown(() => cri.removePodSandbox(pod.id));
  }

  /** What calls left behind that failed on the way, as the kubelet's garbage collection finds it. */
  async removeStrays(): Promise<number> {
    const { cri } = this.daemon;
    const strays = await cri.listPodSandboxes();
    for (const pod of strays) await this.#tearDown(() => cri.stopPodSandbox(pod));
    for (const container of await cri.listContainers()) await this.#tearDown(() => cri.removeContainer(container));
    for (const pod of strays) await this.#tearDown(() => cri.removePodSandbox(pod));
    return strays.length;
  }

  #lives(id: string, { beganMs, endedMs }: { readonly beganMs: number; readonly endedMs: number }): Life {
    const life = { id, createBeganMs: beganMs, createEndedMs: endedMs, stopBeganMs: Number.POSITIVE_INFINITY };
    this.lives.push(life);
    return life;
  }

  /** Undefined when the call fails. */
  async #bringUp<T>(call: () => Promise<T>, isStart = false) {
    const beganMs = Date.now();
    try {
      const value = await call();
      const endedMs = Date.now();
      if (isStart) this.startMs.push(endedMs - beganMs);
      return { value, beganMs, endedMs };
    } catch (thrown) {
      if (!(thrown instanceof CriError)) throw thrown;
      this.failed.push(thrown);
      return undefined;
    }
  }

  async #tearDown(call: () => Promise<void>): Promise<void> {
    const end = performance.now() + teardownMs;
    for (;;) {
      try {
        return await call();
      } catch (thrown) {
        if (!(thrown instanceof CriError) || performance.now() > end) throw thrown;
        if (thrown.code === "NOT_FOUND") return;
        this.retries++;
        await sleep(200);
      }
    }
  }
}
