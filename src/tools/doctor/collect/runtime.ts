import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { baseName, type NodeFiles } from "../../../host/node-files.js";
import { findPeer, listeningSockets, sharesConfFile } from "../../../host/peer.js";
import { type Answer, flagOf, type Mount } from "../../../host/proc.js";
import { isPluginIndex } from "../../../nri/identity.js";
import { parseVersion } from "../../../nri/versions.js";
import { permissionFaultOf } from "./bridge.js";
import type { ProcessFacts } from "./processes.js";
import {
  type NriSettings,
  nriDefaults,
  type RuntimeConfig,
  readContainerdConfig,
  readCrioConfig,
} from "./runtime-config.js";

export interface RuntimeFacts {
  readonly name: "containerd" | "cri-o";
  /** Of the running process, else of the file; "" when it cannot be told. */
  readonly version: string;
  /** Of the file on the disk, which an upgrade may have replaced; "" when it cannot be told. */
  readonly diskVersion: string;
  readonly path: string;
  readonly pid: number | undefined;
  /** The PATH that it was started with, which containerd 1.6 looked plugins up on; undefined when not known. */
  readonly searchPath: string | undefined;
  /** Whether a containerd 1.7 was started with ENABLE_CRI_SANDBOXES; undefined when that cannot be told. */
  readonly sandboxedCri: boolean | undefined;
  /** Whether it reads the conf.json that the bridge reads. */
  readonly sharesConfFile: Answer;
  readonly config: RuntimeConfig;
}

/** Runs `<here> --version`, the node's `path`, and gives what it printed; "" when it cannot be run. */
export type AskVersion = (here: string, files: NodeFiles, path: string) => string;

interface Known {
  readonly name: RuntimeFacts["name"];
  readonly command: string;
  /** What `--version` prints: `containerd github.com/containerd/containerd/v2 v2.1.9 <commit>`, `crio version 1.34.1`. */
  readonly version: RegExp;
}

const known: readonly Known[] = [
  { name: "containerd", command: "containerd", version: /^containerd \S+ (\S+)/m },
  { name: "cri-o", command: "crio", version: /^crio version (\S+)/m },
];

const binDirs = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/bin", "/bin"] as const;

interface RuntimeSearch {
  readonly files: NodeFiles;
  readonly processes: readonly ProcessFacts[];
  /** The process that listens on the NRI socket, where that is known. */
  readonly peer: number | undefined;
  readonly confFile: string;
  readonly askVersion: AskVersion;
}

/** Finds the node's runtime: the process at the socket, else one that runs, else one on the disk. */
export function findRuntime(search: RuntimeSearch): RuntimeFacts | undefined {
  const { files, processes, peer } = search;
  // Only root's processes: --version is going to be asked of this very file.
  const running = processes.flatMap((process) => {
    const kind = known.find(({ command }) => process.command === command || baseName(process.exe) === command);
    return kind === undefined || (process.uid !== 0 && process.uid !== globalThis.process.geteuid?.())
      ? []
      : [{ kind, process }];
  });
  // A node may hold containers with runtimes of their own: theirs is another root.
  const ours = running.find(
    ({ process }) => files.identityByKernel(`/proc/${process.pid}/root`) === files.identity("/"),
  );
  const chosen = running.find(({ process }) => process.pid === peer) ?? ours ?? running[0];
  if (chosen !== undefined) return describe(search, chosen.kind, chosen.process, chosen.process.exe);
  for (const kind of known) {
    const path = binDirs.map((directory) => `${directory}/${kind.command}`).find((file) => files.isExecutable(file));
    if (path !== undefined) return describe(search, kind, undefined, path);
  }
  return undefined;
}

function describe(search: RuntimeSearch, kind: Known, process: ProcessFacts | undefined, path: string): RuntimeFacts {
  const { files, confFile, askVersion } = search;
  const versionOf = (here: string) => kind.version.exec(askVersion(here, files, path))?.[1] ?? "";
  const diskVersion = files.isExecutable(path) ? versionOf(files.locate(path)) : "";
  // The running file may be gone from the disk since an upgrade; /proc still has it.
  const runningVersion = process?.replaced ? versionOf(`${files.locate("/proc")}/${process.pid}/exe`) : diskVersion;
  const version = runningVersion === "" ? diskVersion : runningVersion;
  const pid = process?.pid;
  const environment = pid === undefined ? undefined : files.readText(`/proc/${pid}/environ`)?.split("\0");
  const variable = (name: string) =>
    environment?.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
  const shares = sharesConfFile(pid, files.locate(confFile), files.locate("/proc"));
  return {
    name: kind.name,
    version,
    diskVersion,
    path,
    pid,
    searchPath: variable("PATH") || undefined,
    sandboxedCri: environment === undefined ? undefined : variable("ENABLE_CRI_SANDBOXES") !== "",
    sharesConfFile: { ...shares, reason: files.rename(shares.reason) },
    config: readConfig(files, kind.name, process?.args ?? [], version),
  };
}

function readConfig(files: NodeFiles, name: RuntimeFacts["name"], args: readonly string[], versionText: string) {
  const version = parseVersion(versionText);
  const path = flagOf(args, "--config", "-c");
  if (name === "containerd") return readContainerdConfig(files, path ?? "/etc/containerd/config.toml", version);
  const directory = flagOf(args, "--config-dir", "-d") ?? "/etc/crio/crio.conf.d";
  return readCrioConfig(files, path ?? "/etc/crio/crio.conf", directory, version);
}

/**
 * Asks a runtime's file for its version: `here` is where we see the node's `path`. One that others than root can
 * write is not started.
 */
export function askVersion(here: string, files: NodeFiles, path: string, run = runForVersion): string {
  try {
    // The link below /proc is the file of a process of root's, whatever now lies at its name.
    const running = /\/proc\/\d+\/exe$/.test(here);
    if (!running && permissionFaultOf(files, path) !== null) return "";
    return run(here);
  } catch {
    return "";
  }
}

function runForVersion(file: string): string {
  return execFileSync(file, ["--version"], { encoding: "utf8", timeout: 5000, stdio: ["ignore", "pipe", "ignore"] });
}

export interface SocketFacts {
  readonly path: string;
  readonly kind: "missing" | "socket" | "other";
  /** Whether some process listens on a socket of this name; undefined when that cannot be seen. */
  readonly listening: boolean | undefined;
  /** The file itself is a mount point: a bind mount, which a restart of the runtime leaves behind. */
  readonly mounted: boolean;
  /** It is not the runtime's own socket, as far as both can be seen. */
  readonly stale: boolean;
}

/** The process that listens on the runtime's socket; undefined when that cannot be seen. */
export async function findSocketPeer(files: NodeFiles, socketPath: string): Promise<number | undefined> {
  const answer = await findPeer(files.locate(socketPath), files.locate("/proc")).catch(() => undefined);
  return answer?.found ? answer.pid : undefined;
}

/** Looks at the socket without connecting: a plugin that connects and goes costs the runtime a warning. */
export function readSocket(
  files: NodeFiles,
  path: string,
  mounts: readonly Mount[],
  runtime: RuntimeFacts | undefined,
): SocketFacts {
  const stats = files.stat(path);
  const resolved = files.nameOf(files.locate(path));
  const tables = ["/proc/self/net/unix", "/proc/1/net/unix"].filter((table) => files.readText(table) !== undefined);
  const own = files.identity(path);
  const theirs =
    runtime?.pid === undefined ? undefined : identityFor(runtime.pid, runtime.config.nri.socketPath, files);
  return {
    path,
    kind: stats === undefined ? "missing" : stats.isSocket() ? "socket" : "other",
    listening: tables.length === 0 ? undefined : listeningSockets(baseName(path), files.locate("/proc")).size > 0,
    mounted: mounts.some(({ point }) => point === path || point === resolved || `/var${point}` === path),
    stale: own !== undefined && theirs !== undefined && own !== theirs,
  };
}

/**
 * The runtime's own socket, seen through its root. The kernel follows an absolute link such as /var/run from our root, not
 * from the process's: so the way without the link is tried first.
 */
function identityFor(pid: number, socketPath: string, files: NodeFiles): string | undefined {
  const [first, second] = [socketPath.replace(/^\/var\/run\//, "/run/"), socketPath].map((path) =>
    files.identityByKernel(`/proc/${pid}/root${path}`),
  );
  return first ?? second;
}

/** A file in the directory of plugins that the runtime launches. */
export interface LaunchedFacts {
  readonly path: string;
  /** Of `NN-name`; undefined for one that is named otherwise. */
  readonly index: string | undefined;
  readonly executable: boolean;
  /** It starts a bridge. */
  readonly bridge: boolean;
  /** It starts the Go adapter for v0.1 plugins. */
  readonly adapter: boolean;
  /** Programs that it starts and that are not there, with only the system's default PATH. */
  readonly missingPrograms: readonly string[];
  readonly configFile: string | undefined;
}

/** Where execvp looks without a PATH (confstr(3), _CS_PATH): a runtime gives the plugins that it launches none. */
const pathlessDirs = ["/bin", "/usr/bin"] as const;

/** As much of a file as tells what it starts. */
const headBytes = 64 * 1024;

/** The files in the directory of plugins that the runtime launches. */
export function readLaunched(
  files: NodeFiles,
  nri: Pick<NriSettings, "pluginPath" | "pluginConfigPath"> = nriDefaults,
): readonly LaunchedFacts[] {
  return files.list(nri.pluginPath).flatMap((file) => {
    const path = join(nri.pluginPath, file);
    const stats = files.stat(path);
    if (stats?.isDirectory() === true) return [];
    const [, index, name] = /^([^-]*)-(.+)$/s.exec(file) ?? [];
    const isNamed = index !== undefined && isPluginIndex(index);
    const head = stats === undefined ? "" : (files.readBytes(path)?.subarray(0, headBytes).toString("latin1") ?? "");
    const configs = isNamed ? [`${file}.conf`, `${name}.conf`] : [`${file}.conf`];
    return [
      {
        path,
        index: isNamed ? index : undefined,
        // compat: NRI's discoverPlugins asks lstat, for which a link is always executable.
        executable: files.link(path) !== undefined || files.isExecutable(path),
        bridge: file.includes("v01-bridge") || head.includes("nri-v01-bridge"),
        adapter: file.includes("v010-adapter"),
        missingPrograms: stats === undefined ? [files.link(path) ?? path] : missingPrograms(files, head),
        configFile: configs
          .map((config) => join(nri.pluginConfigPath, config))
          .find((config) => files.stat(config) !== undefined),
      },
    ];
  });
}

/** What a script starts and cannot: its interpreter, and what it hands over to by `exec`. */
function missingPrograms(files: NodeFiles, script: string): readonly string[] {
  const [, interpreter, argument] = /^#![ \t]*(\S+)[ \t]*(?:-S[ \t]+)?(\S*)/.exec(script) ?? [];
  if (interpreter === undefined) return [];
  const missing: string[] = [];
  if (!files.isExecutable(interpreter)) missing.push(interpreter);
  if (interpreter.endsWith("/env") && argument !== undefined && argument !== "") {
    if (!isStartable(files, argument)) missing.push(argument);
  }
  for (const [, command = ""] of script.matchAll(/^[ \t]*exec[ \t]+(.+)$/gm)) {
    const words = command.split(/[ \t]+/).map((word) => word.replace(/^["']|["']$/g, ""));
    const program = words.find((word) => !word.includes("="));
    if (program !== undefined && /^[\w./-]+$/.test(program) && !isStartable(files, program)) missing.push(program);
    missing.push(...words.filter((word) => /^\/[\w./-]+\.(m?js|cjs)$/.test(word) && files.stat(word) === undefined));
  }
  return [...new Set(missing)];
}

function isStartable(files: NodeFiles, program: string): boolean {
  if (program.startsWith("/")) return files.isExecutable(program);
  return pathlessDirs.some((directory) => files.isExecutable(join(directory, program)));
}
