import { existsSync, readFileSync, type Stats, statSync } from "node:fs";
import { chmod, copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun } from "./command.js";
import type { Daemon } from "./daemon.js";
import { hasCompiler } from "./machine.js";
import { PodLife } from "./pod-life.js";
import { replaceFile } from "./records.js";
import { confOf } from "./scenario.js";
import type { RunningTarget } from "./target.js";

const asker = fileURLToPath(new URL("./plugins/asker", import.meta.url));
const samples = fileURLToPath(new URL("../../../legacy-plugins/", import.meta.url));
const binDir = "/opt/nri/bin";

/** How clearcfs is installed, once for each setting; those with a C are compiled. */
export const clearers = [
  { name: "clear-create", settings: "{phase: create}", where: "in phase create" },
  { name: "clear-host", settings: "{cgroup: host}", where: "in phase start on the node's cgroup" },
  { name: "clear-capture", settings: "{cgroup: capture}", where: "in phase start in a captured view" },
  { name: "clear-create-c", settings: "{phase: create}", where: "in phase create, compiled" },
  { name: "clear-host-c", settings: "{cgroup: host}", where: "in phase start on the node's cgroup, compiled" },
  { name: "clear-capture-c", settings: "{cgroup: capture}", where: "in phase start in a captured view, compiled" },
] as const;

/** Plugins that answer what a test tells them to. */
export const askers = ["asker", "late", "lenient", "keeper", "late-keeper"] as const;

/** The bridge's configuration: one for all tests, since a plugin's type tells its settings. */
export const adjustedConfig = `
log: {level: debug}
states: [create, update, delete]
annotations: {container: [qos.class]}
plugins:
${clearers.map(({ name, settings }) => `  ${name}: ${settings}`).join("\n")}
  asker: {phase: create}
  late: {phase: start}
  lenient: {phase: start, onFailure: {create: continue}}
  keeper: {phase: create, states: [create, delete], results: {keep: true}}
  late-keeper: {phase: start, states: [create, delete], results: {keep: true}}
`;

/** Puts the plugins of these tests into a daemon's /opt/nri/bin. */
export async function installAdjusting(daemon: Daemon): Promise<void> {
  const place = async (source: string, name: string) => {
    await copyFile(source, daemon.path(`${binDir}/${name}`));
    await chmod(daemon.path(`${binDir}/${name}`), 0o755);
  };
  const compiled = join(daemon.directory, "clearcfs-compiled");
  const compiles = await hasCompiler();
  if (compiles) await mustRun("cc", ["-O1", "-o", compiled, join(samples, "clearcfs.c")]);
  for (const { name } of clearers) {
    if (!name.endsWith("-c")) await place(join(samples, "clearcfs"), name);
    else if (compiles) await place(compiled, name);
  }
  for (const name of askers) await place(asker, name);
}

/** What a test does with one pod on a target, and what it can see of it. */
export class AdjustedNode {
  readonly life: PodLife;
  private readonly daemon: Daemon;

  constructor(private readonly target: RunningTarget) {
    this.daemon = target.daemon;
    this.life = new PodLife(target.daemon, target.confFile, target.daemon.directory);
  }

  /** Writes conf.json with these plugins, and forgets what the askers were told and asked. */
  async use(...plugins: readonly string[]): Promise<void> {
    const conf = this.daemon.path(this.target.confFile);
    await mkdir(dirname(conf), { recursive: true });
    await replaceFile(conf, confOf(...plugins));
    for (const name of askers) {
      for (const end of ["create-container", "update-container", "delete-container", "log"]) {
        await rm(this.daemon.path(`${binDir}/${name}.${end}`), { force: true });
      }
    }
  }

  /** What an asker answers to the requests of one state for containers. */
  async answer(plugin: string, state: "create" | "update" | "delete", body: object): Promise<void> {
    const text = JSON.stringify({ plugin, version: "0.1", error: "", ...body });
    await writeFile(this.daemon.path(`${binDir}/${plugin}.${state}-container`), text);
  }

  /** The last request of one state for a container that an asker got. */
  request(plugin: string, state: string): { readonly spec: { readonly resources: object } } {
    return JSON.parse(readFileSync(this.daemon.path(`${binDir}/${plugin}.${state}-container.request`), "utf8"));
  }

  /** What an asker was asked for containers: `create <id>`. */
  asked(plugin: string): string[] {
    const file = this.daemon.path(`${binDir}/${plugin}.log`);
    const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    return lines.filter((line) => line.includes(" container ")).map((line) => line.replace(" container ", " "));
  }

  /** The OCI spec that the container was created with. */
  spec(container: string): OciSpec {
    const bundle = `state/io.containerd.runtime.v2.task/k8s.io/${container}/config.json`;
    return JSON.parse(readFileSync(join(this.daemon.directory, bundle), "utf8"));
  }

  /** A file of the container's process in /proc: its text, or what a look at it gives. */
  async proc(container: string, file: string): Promise<string>;
  async proc<T>(container: string, file: string, look: (stats: Stats) => T): Promise<T>;
  async proc<T>(container: string, file: string, look?: (stats: Stats) => T): Promise<T | string> {
    const { pid } = await this.daemon.cri.containerStatus(container);
    const path = this.daemon.path(`/proc/${pid}/${file}`);
    return look === undefined ? readFileSync(path, "utf8") : look(statSync(path));
  }

  /** The path of the cgroup v1 that the container's process is in. */
  async cgroupPath(container: string, controller: string): Promise<string> {
    const lines = (await this.proc(container, "cgroup")).split("\n").map((line) => line.split(":"));
    return lines.find(([, controllers]) => controllers?.split(",").includes(controller))?.[2] ?? "";
  }

  /** A file of that cgroup. */
  async cgroup(container: string, file: string): Promise<string> {
    const controller = file.slice(0, file.indexOf("."));
    const path = await this.cgroupPath(container, controller);
    return readFileSync(`/sys/fs/cgroup/${controller}${path}/${file}`, "utf8").trim();
  }
}

/** The parts of an OCI spec that the tests look at. */
export interface OciSpec {
  readonly annotations: Readonly<Record<string, string>>;
  readonly process: { readonly env: readonly string[] };
  readonly mounts: readonly { readonly destination: string }[];
  readonly hooks: Readonly<Record<string, unknown>>;
  readonly linux: {
    readonly cgroupsPath: string;
    readonly resources: { readonly cpu: Readonly<Record<string, unknown>> };
  };
}
