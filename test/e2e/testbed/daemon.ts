import { mkdirSync, openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installCni } from "./cni.js";
import { waitFor } from "./command.js";
import { type DaemonPaths, formatContainerdConfig } from "./containerd-config.js";
import { Cri } from "./cri.js";
import { writeImage } from "./images.js";
import { daemonDirectory, nextUidPart, removePodCgroups } from "./leftovers.js";
import { type Namespace, type NamespaceProcess, openNamespace } from "./namespace.js";
import type { RuntimeName, RuntimePackage, Testbed } from "./packages.js";

export interface DaemonOptions {
  /** The runtime's plugin_request_timeout, as Go writes durations; "2s" when not given. */
  readonly requestTimeout?: string | undefined;
  /** The plugins without which containerd 2.2 and later create no container. */
  readonly requiredPlugins?: readonly string[] | undefined;
  /** Puts files into the daemon's namespace before it starts: plugins, configuration. */
  readonly install?: (daemon: Daemon) => Promise<void>;
}

/** A real containerd with its own namespace, paths and sockets. Nothing of it is left after `stop`. */
export class Daemon {
  readonly runtime: RuntimePackage;
  readonly directory: string;
  readonly namespace: Namespace;
  readonly cri: Cri;
  /** Where pods keep their logs. */
  readonly logRoot: string;
  /** Part of the uid of each pod that this daemon runs, so that no two daemons share a pod's cgroup. */
  readonly uidPart: string;
  readonly #paths: DaemonPaths;
  #process: NamespaceProcess | undefined;
  #podCount = 0;

  private constructor(runtime: RuntimePackage, directory: string, namespace: Namespace) {
    this.runtime = runtime;
    this.directory = directory;
    this.namespace = namespace;
    this.#paths = {
      root: join(directory, "root"),
      state: join(directory, "state"),
      criSocket: join(directory, "cri.sock"),
      cniBinDir: join(directory, "cni/bin"),
      cniConfDir: join(directory, "cni/net.d"),
    };
    this.logRoot = join(directory, "logs");
    this.uidPart = nextUidPart();
    this.cri = new Cri(this.#paths.criSocket);
  }

  /** Starts a runtime and waits until it can run pods. */
  static async start(testbed: Testbed, name: RuntimeName, options: DaemonOptions = {}): Promise<Daemon> {
    const directory = await mkdtemp(daemonDirectory);
    const namespace = await openNamespace(join(directory, "private"));
    const daemon = new Daemon(testbed.runtimes[name], directory, namespace);
    try {
      for (const path of ["/opt/nri/bin", "/opt/nri/plugins", "/etc/nri/conf.d"]) {
        await mkdir(daemon.path(path), { recursive: true });
      }
      await installCni(daemon.#paths.cniBinDir, daemon.#paths.cniConfDir);
      const { requestTimeout, requiredPlugins } = options;
      const config = formatContainerdConfig(daemon.runtime, daemon.#paths, requestTimeout, requiredPlugins);
      await writeFile(join(directory, "config.toml"), config);
      await options.install?.(daemon);
      await daemon.#startContainerd();
      await daemon.#importImage(testbed.busybox);
      return daemon;
    } catch (thrown) {
      const log = daemon.log().slice(-4000);
      await daemon.stop();
      throw new Error(`containerd ${daemon.runtime.version} did not start: ${thrown}\n${log}`);
    }
  }

  /** Where a path that the daemon sees is found from the test. */
  path(inside: string): string {
    return this.namespace.path(inside);
  }

  /** All that containerd logged so far. */
  log(): string {
    try {
      return readFileSync(join(this.directory, "containerd.log"), "utf8");
    } catch {
      return "";
    }
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** A new pod uid of this daemon's own. */
  nextUid(): string {
    this.#podCount++;
    return `00000000-0000-4000-8000-${this.uidPart}${String(this.#podCount).padStart(4, "0")}`;
  }

  /** Stops containerd alone: shims, containers and the state on disk stay as they are. */
  async stopContainerd(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.#process?.running) return;
    await this.#process.kill(signal);
    await this.#process.exited;
  }

  /** Ends containerd and starts it again over the same state, as an upgrade or a crash does. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.stopContainerd(signal);
    await this.#startContainerd();
  }

  /** Removes the pods that are left, ends the daemon and all that it started, and removes its files and cgroups. */
  async stop(): Promise<void> {
    if (this.running) await this.removePods().catch(() => {});
    this.cri.close();
    await this.stopContainerd();
    await this.namespace.close();
    await removePodCgroups((name) => name.includes(this.uidPart));
    await rm(this.directory, { recursive: true, force: true });
  }

  async removePods(): Promise<void> {
    for (const pod of await this.cri.listPodSandboxes()) {
      await this.cri.stopPodSandbox(pod);
      await this.cri.removePodSandbox(pod);
    }
  }

  async #startContainerd(): Promise<void> {
    mkdirSync(this.logRoot, { recursive: true });
    const log = openSync(join(this.directory, "containerd.log"), "a");
    const env = { PATH: `${this.runtime.binDir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin` };
    const command = join(this.runtime.binDir, "containerd");
    const args = ["--config", join(this.directory, "config.toml")];
    this.#process = await this.namespace.start(command, args, log, env);
    await waitFor("the CRI service", 60_000, async () => {
      if (!this.running) throw new Error("containerd has ended");
      // It says its version before it can run pods.
      return await this.cri.listPodSandboxes().catch(() => undefined);
    });
  }

  async #importImage(busybox: string): Promise<void> {
    const ctr = join(this.runtime.binDir, "ctr");
    // 2.x would hand the archive to its transfer service, which unpacks for its default snapshotter alone.
    const local = this.runtime.name === "v2" ? ["--local"] : [];
    const file = await writeImage(busybox, this.directory);
    const flags = ["--snapshotter", "native", ...local];
    const args = ["-a", this.#paths.criSocket, "-n", "k8s.io", "images", "import", ...flags, file];
    const result = await this.namespace.run(ctr, args);
    if (result.code !== 0) throw new Error(`image import: ${result.stderr}`);
  }
}
