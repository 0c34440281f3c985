import { readFile } from "node:fs/promises";
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
import { readRecords, replaceFile } from "./records.js";

/** A failed CRI call of a scenario. */
export interface FailedCall {
  readonly method: string;
  readonly code: string;
  readonly details: string;
}

/**
 * What a scenario does with its pods on one daemon: CRI calls as the kubelet makes them, and what happens from
 * outside. A call that the runtime fails is noted, not thrown: failing is what some scenarios are about.
 */
export class PodLife {
  readonly failedCalls: FailedCall[] = [];
  readonly observations: string[] = [];
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

  async start(container: string): Promise<void> {
    await this.#try(this.daemon.cri.startContainer(container), undefined);
  }

  /** Creates and starts. */
  async runContainer(pod: string, options: ContainerOptions = {}): Promise<string> {
    const id = await this.create(pod, options);
    await this.start(id);
    return id;
  }

  async update(container: string, resources: LinuxResources): Promise<void> {
    await this.#try(this.daemon.cri.updateContainerResources(container, resources), undefined);
  }

  async stop(container: string): Promise<void> {
    await this.#try(this.daemon.cri.stopContainer(container), undefined);
  }

  async remove(container: string): Promise<void> {
    await this.#try(this.daemon.cri.removeContainer(container), undefined);
  }

  async stopPod(pod: string): Promise<void> {
    await this.#try(this.daemon.cri.stopPodSandbox(pod), undefined);
  }

  async removePod(pod: string): Promise<void> {
    await this.#try(this.daemon.cri.removePodSandbox(pod), undefined);
  }

  /** The end that the kubelet gives to a pod with one container. */
  async end(pod: string, ...containers: readonly string[]): Promise<void> {
    for (const container of containers) await this.stop(container);
    for (const container of containers) await this.remove(container);
    await this.stopPod(pod);
    await this.removePod(pod);
  }

  /** Waits until a container's process has ended by itself. */
  async waitForExit(container: string): Promise<void> {
    await waitFor("the container's end", 10_000, async () => {
      const { state } = await this.daemon.cri.containerStatus(container);
      return state === "CONTAINER_EXITED" ? state : undefined;
    });
  }

  /** Kills a container's process from outside, as the kernel's out-of-memory killer would. */
  async kill(container: string): Promise<void> {
    await this.#killProcess((await this.daemon.cri.containerStatus(container)).pid);
    await this.waitForExit(container);
  }

  /** Kills a sandbox's pause process from outside. */
  async killPause(pod: string): Promise<void> {
    await this.#killProcess((await this.daemon.cri.podSandboxStatus(pod)).pid);
    await waitFor("the sandbox's end", 10_000, async () => {
      const { state } = await this.daemon.cri.podSandboxStatus(pod);
      return state === "SANDBOX_NOTREADY" ? state : undefined;
    });
  }

  /** Waits until so many plugin runs have ended: for what happens without a call of ours. Goes on after 5 s. */
  async waitForRuns(count: number): Promise<void> {
    const enough = async () => ((await readRecords(this.records)).length >= count ? true : undefined);
    await waitFor("the plugin runs", 5_000, enough).catch(() => undefined);
  }

  /** Notes what a file of a container's cgroup v1 holds: what a plugin that acts on the node has done. */
  async observeCgroup(pod: string, container: string, controller: string, file: string): Promise<void> {
    const parent = this.#pods.get(pod)?.linux.cgroup_parent ?? "/k8s.io";
    const path = `/sys/fs/cgroup/${controller}${parent}/${container}/${file}`;
    this.observations.push(`${file}: ${(await readFile(path, "utf8")).trim()}`);
  }

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
      this.failedCalls.push({ method: thrown.method, code: thrown.code, details: thrown.details });
      return failed;
    }
  }
}
