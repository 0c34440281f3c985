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

/** `version` is "" when it cannot be told, `unit` is as unitOf has it; `environment` holds the variables that it was started with. */
export type RuntimeFacts = ReturnType<typeof describe>;

/** Runs `<file> --version`, and gives what it printed. @throws Error when it cannot be run */
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

/** The runtime that NRI is wanted of, and after it the others that run with the node's root. */
export function findRuntimes(search: RuntimeSearch): readonly RuntimeFacts[] {
  const { files, processes, peer } = search;
  const running = processes.flatMap((process) => {
    const kind = known.find(({ command }) => process.command === command || basename(process.exe) === command);
    // Only root's processes: --version is going to be asked of this very file.
    return kind !== undefined && isTrusted(process) ? [{ kind, process }] : [];
  });
  // A node may hold containers with runtimes of their own: theirs is another root.
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

/** Whether a process is root's or ours: any user can give one any name, in a container too. */
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
  // The running file may be gone from the disk since an upgrade; the link below /proc leads to it still.
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

/** The process that listens on the runtime's socket; undefined when that cannot be seen. */
export async function findSocketPeer(files: NodeFiles, socketPath: string): Promise<number | undefined> {
  const answer = await findPeer(files.locate(socketPath), files.locate("/proc"));
  return answer.found ? answer.pid : undefined;
}

/** Looks at the socket without connecting where /proc can tell: a plugin that connects and goes costs the runtime a warning. */
export async function readSocket(
  files: NodeFiles,
  path: string,
  mounts: readonly Mount[],
  runtime: RuntimeFacts | undefined,
) {
  const stats = files.stat(path);
  const seesTable = ["self", "1"].some((process) => files.readText(`/proc/${process}/net/unix`) !== undefined);
  const own = files.identity(path);
  // The runtime's own, through its root. The kernel follows an absolute link such as /var/run from our root, and not from the
  // process's: the way without the link is tried first.
  const theirs = runtime?.config.nri.socketPath ?? "";
  const [identity] = [withoutVar(theirs), theirs].flatMap(
    (place) => (runtime?.pid && files.identityByKernel(`/proc/${runtime.pid}/root${place}`)) || [],
  );
  return {
    path,
    kind: stats === undefined ? "missing" : stats.isSocket() ? "socket" : "other",
    /** Whether some process listens on a socket of this name; undefined when that cannot be seen. */
    listening: seesTable ? listeningSockets(basename(path), files.locate("/proc")).size > 0 : undefined,
    /** The file itself is a mount point: a bind mount, which a restart of the runtime leaves behind. */
    mounted: mounts.some(({ point }) => withoutVar(point) === withoutVar(path)),
    /** It is not the runtime's own socket, as far as both can be seen. */
    stale: own !== undefined && identity !== undefined && own !== identity,
    /** Nothing listens, as connect(2) says; not asked where a process of the runtime is in sight. */
    refuses: stats?.isSocket() === true && runtime?.pid === undefined && !(await probe(files.locate(path))).alive,
  } as const;
}

/** /var/run is /run on every distribution of today. */
export function withoutVar(path: string): string {
  return path.replace(/^\/var\/run\//, "/run/");
}

/** Where execvp looks without a PATH (confstr(3), _CS_PATH): a runtime gives the plugins that it launches none. */
const pathless = "/bin:/usr/bin";

/** As much of a file as tells what it starts. */
const headBytes = 64 * 1024;

/** The files in the directory of plugins that the runtime launches. */
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
        /** Whether its name is NN-name. */
        named: index !== undefined && isPluginIndex(index),
        // compat: NRI's discoverPlugins asks lstat, for which a link is always executable.
        executable: link !== undefined || files.isExecutable(path),
        bridge: file.includes("v01-bridge") || head.includes("nri-v01-bridge"),
        /** It starts the Go adapter for v0.1 plugins. */
        adapter: file.includes("v010-adapter"),
        /** The file that it needs to start and that is missing, with only the system's default PATH. */
        missing: bytes === undefined ? link : missingIn(files, bytes, pathless),
        configFile: [`${file}.conf`, `${name}.conf`]
          .map((config) => join(nri.pluginConfigPath, config))
          .find((config) => files.stat(config) !== undefined),
      },
    ];
  });
}
