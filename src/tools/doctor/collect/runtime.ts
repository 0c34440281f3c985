import { execFileSync } from "node:child_process";
import { basename, join } from "node:path";
import { attempt } from "../../../base/errors.js";
import type { NodeFiles } from "../../../host/node-files.js";
import { findPeer, listeningSockets } from "../../../host/peer.js";
import { environmentOf, type Mount, type Process } from "../../../host/proc.js";
import { probe } from "../../../ledger/directory-lock.js";
import { isPluginIndex } from "../../../nri/identity.js";
import { parseVersion } from "../../../nri/versions.js";
import { permissionFaultOf } from "./bridge.js";
import { missingIn } from "./plugins.js";
import { unitOf } from "./process.js";
import { type NriSettings, nriDefaults, readRuntimeConfig } from "./runtime-config.js";

/**
 * A runtime on the node. `version` is "" when it is unknown; `unit` is what unitOf returns for its process; `environment` holds the
 * variables with which its process started. `pid`, `unit` and `environment` are undefined when it does not run.
 */
export type RuntimeFacts = ReturnType<typeof describe>;

/**
 * Runs `<file> --version` and returns what the program prints.
 * @throws Error when the program cannot start, fails, or does not end in time
 */
export type AskVersion = (file: string) => string;

const known = [
  // The output of `--version`: `containerd github.com/containerd/containerd/v2 v2.1.9 <commit>`, `crio version 1.34.1`.
  { name: "containerd", command: "containerd", version: /^containerd \S+ (\S+)/m },
  { name: "cri-o", command: "crio", version: /^crio version (\S+)/m },
] as const;

const binDirs = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/bin", "/bin"] as const;

interface RuntimeSearch {
  readonly files: NodeFiles;
  readonly processes: readonly Process[];
  /** The process that listens on the NRI socket, where that is known. */
  readonly peer: number | undefined;
  readonly askVersion: AskVersion;
}

/**
 * The node's runtimes. The first is the one that the bridge connects to: it listens on the NRI socket, else it runs, else it is
 * only installed. The others run too, with the node's root directory.
 */
export function findRuntimes(search: RuntimeSearch): readonly RuntimeFacts[] {
  const { files, processes, peer } = search;
  const running = processes.flatMap((process) => {
    const kind = known.find(({ command }) => process.command === command || basename(process.exe) === command);
    // Only a process of root or of our own user counts, as `describe` runs its file with --version.
    return kind !== undefined && isTrusted(process) ? [{ kind, process }] : [];
  });
  // A container on the node may run a runtime of its own, whose root directory is not the node's.
  const ours = running.find(({ process }) => files.sharesRoot(process.pid));
  const chosen = running.find(({ process }) => process.pid === peer) ?? ours ?? running[0];
  if (chosen !== undefined) {
    const others = running.filter((one) => one !== chosen && files.sharesRoot(one.process.pid));
    return [chosen, ...others].map(({ kind, process }) => describe(search, kind, process, process.exe));
  }
  for (const kind of known) {
    const path = binDirs.map((directory) => `${directory}/${kind.command}`).find((file) => files.isExecutable(file));
    if (path !== undefined) return [describe(search, kind, undefined, path)];
  }
  return [];
}

/**
 * Whether root or our own user runs a process. A process's name proves nothing: any user can choose any name, in a container too.
 */
export function isTrusted({ uid }: Process): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function describe(
  { files, askVersion }: RuntimeSearch,
  { name, version: pattern }: (typeof known)[number],
  process: Process | undefined,
  path: string,
) {
  const procRoot = files.locate("/proc");
  // An upgrade may have removed the file that the runtime runs; /proc/PID/exe still leads to it.
  const running = process?.replaced === true ? `${procRoot}/${process.pid}/exe` : undefined;
  const isSafe = running !== undefined || (files.isExecutable(path) && permissionFaultOf(files, path) === null);
  const said = isSafe ? attempt(() => askVersion(running ?? files.locate(path))) : undefined;
  const version = pattern.exec(said ?? "")?.[1] ?? "";
  const environment = process && environmentOf(process.pid, procRoot);
  const config = readRuntimeConfig(files, name, parseVersion(version), process?.args ?? [], environment);
  const unit = process && unitOf(process.pid, procRoot);
  return { name, version, path, pid: process?.pid, unit, environment, config };
}

export function askVersion(file: string): string {
  return execFileSync(file, ["--version"], { encoding: "utf8", timeout: 5000, stdio: ["ignore", "pipe", "ignore"] });
}

/** The pid of the process that listens on the runtime's socket; undefined when /proc does not show it. */
export async function findSocketPeer(files: NodeFiles, socketPath: string): Promise<number | undefined> {
  const answer = await findPeer(files.locate(socketPath), files.locate("/proc"));
  return answer.found ? answer.pid : undefined;
}

/**
 * Looks at the runtime's socket. It does not connect where /proc shows whether a process listens: the runtime logs a warning for a
 * plugin that connects and leaves.
 */
export async function readSocket(
  files: NodeFiles,
  path: string,
  mounts: readonly Mount[],
  runtime: RuntimeFacts | undefined,
) {
  const stats = files.stat(path);
  const seesTable = ["self", "1"].some((process) => files.readText(`/proc/${process}/net/unix`) !== undefined);
  const own = files.identity(path);
  // The runtime's own socket file, seen through /proc/PID/root. The kernel follows an absolute link such as /var/run from our root
  // directory, not from the runtime's, so the path without that link comes first.
  const theirs = runtime?.config.nri.socketPath ?? "";
  const [identity] = [withoutVar(theirs), theirs].flatMap(
    (place) => (runtime?.pid && files.identityByKernel(`/proc/${runtime.pid}/root${place}`)) || [],
  );
  return {
    path,
    kind: stats === undefined ? "missing" : stats.isSocket() ? "socket" : "other",
    /** Whether some process listens on a socket of this name; undefined when /proc/PID/net/unix cannot be read. */
    listening: seesTable ? listeningSockets(basename(path), files.locate("/proc")).size > 0 : undefined,
    /**
     * Whether the socket file itself is a mount point. A bind mount of it keeps the old socket when the runtime restarts and makes
     * a new one.
     */
    mounted: mounts.some(({ point }) => withoutVar(point) === withoutVar(path)),
    /** Whether the file is another one than the runtime's own socket; false when one of the two cannot be seen. */
    stale: own !== undefined && identity !== undefined && own !== identity,
    /** Whether connect(2) fails, so that nothing listens. Tried only when no process of the runtime is in sight. */
    refuses: stats?.isSocket() === true && runtime?.pid === undefined && !(await probe(files.locate(path))).alive,
  } as const;
}

/** A path with /run instead of /var/run, which is a link to /run on every distribution of today. */
export function withoutVar(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

/** Where execvp looks without a PATH (confstr(3), _CS_PATH). A runtime gives no PATH to the plugins that it launches. */
const pathless = "/bin:/usr/bin";

/** How many bytes of a file are searched for the bridge's name. */
const headBytes = 64 * 1024;

/** The files in the directory from which the runtime launches plugins. */
export function readLaunched(
  files: NodeFiles,
  nri: Pick<NriSettings, "pluginPath" | "pluginConfigPath"> = nriDefaults,
) {
  return files.list(nri.pluginPath).flatMap((file) => {
    const path = join(nri.pluginPath, file);
    if (files.stat(path)?.isDirectory() === true) return [];
    const bytes = files.readBytes(path);
    const head = bytes?.toString("latin1", 0, headBytes) ?? "";
    const [, index, name] = /^([^-]*)-(.+)$/s.exec(file) ?? [];
    const link = files.link(path);
    return [
      {
        path,
        /** Whether the file's name is NN-name, as NRI demands. */
        named: index !== undefined && isPluginIndex(index),
        // compat: NRI's discoverPlugins takes the mode from lstat, which shows every link as executable.
        executable: link !== undefined || files.isExecutable(path),
        bridge: file.includes("v01-bridge") || head.includes("nri-v01-bridge"),
        /** Whether the file is containerd's Go adapter for v0.1 plugins. */
        adapter: file.includes("v010-adapter"),
        /** The file that the plugin needs to start and that is missing, with only the system's default PATH; else undefined. */
        missing: bytes === undefined ? link : missingIn(files, bytes, pathless),
        configFile: [`${file}.conf`, `${name}.conf`]
          .map((config) => join(nri.pluginConfigPath, config))
          .find((config) => files.stat(config) !== undefined),
      },
    ];
  });
}
