import { waitFor } from "./command.js";
import { CriError } from "./cri.js";
import {
  type ContainerOptions,
  containerConfig,
  type LinuxResources,
  type PodOptions,
  type PodSandboxConfig,
  podConfig,
} from "./cri-config.js";
import type { Daemon } from "./daemon.js";
import { replaceFile, waitForRecords } from "./records.js";

/** A failed CRI call of a scenario. */
export type FailedCall = Pick<CriError, "method" | "code" | "details">;

/**
 * What a scenario does with its pods on one daemon: CRI calls as the kubelet makes them, and what happens from
 * outside. A call that the runtime fails is noted, not thrown: failing is what some scenarios are about.
 */
export class PodLife {
  readonly failedCalls: FailedCall[] = [];
  readonly #pods = new Map<string, PodSandboxConfig>();

  constructor(
    readonly daemon: Daemon,
    /** Where the conf.json is that counts on this daemon. */
    readonly confFile: string,
    readonly records: string,
  ) {}

  /** Starts a pod sandbox; the id is empty when the runtime failed. */
  async runPod(options: PodOptions, handler = ""): Promise<string> {
    const config = podConfig(options, this.daemon.nextUid(), this.daemon.logRoot);
    const id = await this.#try(this.daemon.cri.runPodSandbox(config, handler), "");
    this.#pods.set(id, config);
    return id;
  }

  async create(pod: string, options: ContainerOptions = {}): Promise<string> {
    const config = this.#pods.get(pod);
    if (config === undefined) throw new Error(`no pod ${pod}`);
    return this.#try(this.daemon.cri.createContainer(pod, containerConfig(options, config), config), "");
  }

  /** Creates and starts. */
  async runContainer(pod: string, options: ContainerOptions = {}): Promise<string> {
    const id = await this.create(pod, options);
    await this.start(id);
    return id;
  }

  readonly start = (container: string) => this.#try(this.daemon.cri.startContainer(container), undefined);
  readonly stop = (container: string) => this.#try(this.daemon.cri.stopContainer(container), undefined);
  readonly remove = (container: string) => this.#try(this.daemon.cri.removeContainer(container), undefined);
  readonly stopPod = (pod: string) => this.#try(this.daemon.cri.stopPodSandbox(pod), undefined);
  readonly removePod = (pod: string) => this.#try(this.daemon.cri.removePodSandbox(pod), undefined);
  readonly update = (container: string, resources: LinuxResources) =>
    this.#try(this.daemon.cri.updateContainerResources(container, resources), undefined);

  /** The end that the kubelet gives to a pod with one container. */
  async end(pod: string, ...containers: readonly string[]): Promise<void> {
    for (const container of containers) await this.stop(container);
    for (const container of containers) await this.remove(container);
    await this.stopPod(pod);
    await this.removePod(pod);
  }

  /** Kills a container's process from outside, as the kernel's out-of-memory killer would. */
  async kill(container: string): Promise<void> {
    const { cri } = this.daemon;
    await this.#killProcess((await cri.containerStatus(container)).pid);
    const ended = async () => ((await cri.containerStatus(container)).state === "CONTAINER_EXITED" ? true : undefined);
    await waitFor("the container's end", 10_000, ended);
  }

  /** Kills a sandbox's pause process from outside. */
  async killPause(pod: string): Promise<void> {
    const { cri } = this.daemon;
    await this.#killProcess((await cri.podSandboxStatus(pod)).pid);
    const ended = async () => ((await cri.podSandboxStatus(pod)).state === "SANDBOX_NOTREADY" ? true : undefined);
    await waitFor("the sandbox's end", 10_000, ended);
  }

  /** Waits until so many plugin runs have ended: for what happens without a call of ours. */
  readonly waitForRuns = (count: number) => waitForRecords(this.records, count);

  /** Replaces conf.json: the text as it is. */
  async writeConf(conf: string): Promise<void> {
    await replaceFile(this.daemon.path(this.confFile), conf);
  }

  async #killProcess(pid: number): Promise<void> {
    if (!(pid > 0)) throw new Error("the runtime does not say which process it is");
    await this.daemon.namespace.run("/bin/kill", ["-s", "KILL", String(pid)]);
  }

  async #try<T>(call: Promise<T>, failed: T): Promise<T> {
    try {
      return await call;
    } catch (thrown) {
      if (!(thrown instanceof CriError)) throw thrown;
      this.failedCalls.push(thrown);
      return failed;
    }
  }
}
