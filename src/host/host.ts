import { errorText } from "../base/errors.js";
import { fileIdentity, readRegularFile } from "../base/files.js";
import {
  type Answer,
  argumentsOf,
  conmonRsDirectory,
  type Liveness,
  livenessHere,
  type ProcessIdentity,
  readLink,
  readProcessStat,
  readText,
} from "./proc.js";
import { createProcessWatcher, type ProcessWatcher } from "./process-watcher.js";

/** What an event says of a pod or container and its process. */
export interface ProcessQuery {
  readonly id: string;
  readonly sandboxID: string;
  /** The pid of the pod's or container's process; 0 when the event names none. */
  readonly pid: number;
  /** The event's cgroupsPath, in the form of cgroupfs or of systemd; "" when the event has none. */
  readonly cgroupsPath: string;
}

export interface OwnProcess {
  readonly identity: ProcessIdentity;
  readonly parent: number;
}

type ProcessClaim =
  | ({ readonly confirmed: true } & OwnProcess)
  | { readonly confirmed: false; readonly reason: string };

type Bundle = { readonly path: string; readonly bytes: Uint8Array };
type BundleAnswer = ({ readonly found: true } & Bundle) | { readonly found: false; readonly reason: string };

export interface Host {
  /**
   * Reads the OCI config.json at each place where the bundle of a pod or container may be. The caller must check that the
   * cgroupsPath of a found bundle is the event's.
   * @param parent the pid of the process's parent, if it is known already
   */
  readBundles(query: Pick<ProcessQuery, "id" | "pid">, parent?: number): Iterable<BundleAnswer>;
  /** The process that has this pid now, even if it is another one than the event meant. */
  identify(pid: number): ProcessIdentity;
  /** Identifies the event's process, and confirms that the process belongs to the event's pod or container. */
  claim(query: ProcessQuery): ProcessClaim;
  liveness(identity: ProcessIdentity): Liveness;
  /**
   * Whether the bridge and the runtime are in one pid namespace.
   * @param peer the pid of the runtime, if it is known
   * @param named a pid that the current event names, whose process therefore runs; 0 when the event names none
   */
  sharesPidNamespace(peer: number | undefined, named: number): Answer;
  readonly watcher: ProcessWatcher;
}

const noProcess = "the event names no process";

/** The machine that the bridge runs on. */
export function createNodeHost(procRoot = "/proc", watcher = createProcessWatcher(undefined, procRoot)): Host {
  // The bridge's boot and pid namespace stay the same for its whole life.
  const bootId = readText(`${procRoot}/sys/kernel/random/boot_id`)?.trim() ?? "";
  const pidNamespace = readLink(`${procRoot}/self/ns/pid`) ?? "";
  return {
    watcher,

    *readBundles({ id, pid }, known = 0) {
      if (pid <= 0) return yield { found: false, reason: noProcess };
      const stat = known > 1 ? { parent: known } : readProcessStat(pid, procRoot);
      if (typeof stat === "string") return yield { found: false, reason: `/proc/${pid}/stat is ${stat}` };
      const reason = `process ${pid} has no parent that keeps its bundle (is the bridge outside of the runtime's pid namespace?)`;
      if (stat.parent <= 1) yield { found: false, reason };
      // The container's bundle is near its pod's bundle: first place containerd's layout, third place CRI-O's.
      const places = [`../${id}/config.json`, "config.json", `../../${id}/userdata/config.json`];
      for (const folder of bundleFolders(pid, stat.parent, procRoot)) {
        for (const place of places) {
          const path = `${folder}/${place}`;
          try {
            yield { found: true, path, bytes: readRegularFile(path) };
          } catch (error) {
            yield { found: false, reason: errorText(error) };
          }
        }
      }
    },

    identify(pid) {
      const stat = readProcessStat(pid, procRoot);
      return { pid, startTime: typeof stat === "string" ? undefined : stat.startTime, bootId, pidNamespace };
    },

    claim({ id, sandboxID, pid, cgroupsPath }) {
      if (pid <= 0) return { confirmed: false, reason: noProcess };
      // The start time is read before the cgroup: if another process gets the pid in between, the identity is that of the ended
      // process, and not of the new one.
      const stat = readProcessStat(pid, procRoot);
      if (typeof stat === "string") return { confirmed: false, reason: `process ${pid} is not visible to the bridge` };
      const { startTime, parent } = stat;
      // The parent's working directory comes first, because reading a link costs a third of reading a file. A shim works in the
      // pod's bundle, also for the pod's containers.
      const parents = parent > 1 ? (readLink(`${procRoot}/${parent}/cwd`) ?? "") : "";
      const worksInBundle = () =>
        [...bundleFolders(pid, parent, procRoot)].some((folder) => pathNames(readLink(folder) ?? folder, id));
      const isNamed =
        [id, sandboxID].some((each) => pathNames(parents, each)) ||
        cgroupsName(readText(`${procRoot}/${pid}/cgroup`) ?? "", id, cgroupsPath) ||
        worksInBundle();
      const reason = `neither the cgroup of process ${pid} nor a bundle that it or its parent works in names ${id}`;
      if (!isNamed) return { confirmed: false, reason };
      return { confirmed: true, identity: { pid, startTime, bootId, pidNamespace }, parent };
    },

    liveness(identity) {
      if (identity.bootId !== "" && bootId !== "" && identity.bootId !== bootId) return "dead";
      // A newly deployed bridge may run in another pid namespace, in which pids from before mean nothing.
      return identity.pidNamespace === pidNamespace ? livenessHere(identity, procRoot) : "unknown";
    },

    sharesPidNamespace(peer, named) {
      const runtimes = peer === undefined ? undefined : readLink(`${procRoot}/${peer}/ns/pid`);
      const isSeen = pidNamespace !== "" && runtimes !== undefined;
      const unknown = "it is not known which process is the runtime, and no event named a process";
      if (!isSeen && named <= 0) return { answer: "unknown", reason: unknown };
      const isOurs = isSeen ? pidNamespace === runtimes : readProcessStat(named, procRoot) !== "missing";
      const process = isSeen ? `the runtime's process ${peer}` : `process ${named}, which the runtime named,`;
      return {
        answer: isOurs ? "yes" : "no",
        reason: `${process} is ${isOurs ? "" : "not "}in the bridge's pid namespace`,
      };
    },
  };
}

/**
 * The directories that may be the bundle of a process or of its pod, the likeliest first. The kernel follows these links in the
 * mount namespace of the link's process, so they also work for a bridge in a container with the host's pid namespace. A container
 * cannot choose any of these directories.
 */
function* bundleFolders(pid: number, parent: number, procRoot: string): Iterable<string> {
  if (parent > 1) {
    // containerd's shim works in the pod's bundle, and so does CRI-O's shim with runtime_type "vm". conmon works in the container's
    // bundle.
    yield `${procRoot}/${parent}/cwd`;
    // conmon-rs has CRI-O's working directory.
    const told = conmonRsDirectory(argumentsOf(parent, procRoot));
    if (told !== undefined) yield `${procRoot}/${parent}/root${told}`;
  }
  // With Kata's runtime-rs the event's process is the shim, which works in the pod's bundle (runtime-rs shim_start.rs and
  // sandbox.rs).
  const root = fileIdentity(`${procRoot}/${pid}/root/`);
  if (root !== undefined && root === fileIdentity(`${procRoot}/1/root/`)) yield `${procRoot}/${pid}/cwd`;
}

/** Whether the text of /proc/<pid>/cgroup, of cgroup v1, v2 or both, names a pod or container. */
function cgroupsName(cgroups: string, id: string, cgroupsPath: string): boolean {
  // systemd's form of cgroupsPath is slice:prefix:name, for which the runtime makes the unit prefix-name.scope.
  const [, prefix, name] = cgroupsPath.split(":");
  const scope = name?.endsWith(".slice") ? name : `${prefix ? `${prefix}-` : ""}${name}.scope`;
  const wanted = name ? scope : cgroupsPath.replace(/^\/+|\/+$/g, "");
  return cgroups.split("\n").some((line) => {
    // A line is `hierarchy:controllers:path`; the path may contain colons.
    const path = line.split(":").slice(2).join(":");
    return pathNames(path, id) || (wanted !== "" && `${path}/`.includes(`/${wanted}/`));
  });
}

/** Whether a part of a path is this id, alone or in the name of a systemd unit such as `cri-containerd-<id>.scope`. */
function pathNames(path: string, id: string): boolean {
  const isId = (part: string) => part === id || part.endsWith(`-${id}.scope`) || part.endsWith(`:${id}`);
  return id !== "" && path.split("/").some(isId);
}

/** The host of a recording. The replay calls `end` when it reaches a process's Stop event: the process then counts as dead. */
export type RecordedHost = Host & { readonly end: (pid: number) => void };

/** The host of a recording. It looks up no pid on this machine: a process counts as alive until `end` is called with its pid. */
export function createRecordedHost(bundles: readonly Bundle[]): RecordedHost {
  const found: readonly BundleAnswer[] = bundles.map((bundle) => ({ found: true, ...bundle }));
  const none = (reason: string): readonly BundleAnswer[] => [{ found: false, reason }];
  const identify = (pid: number) => ({ pid, startTime: undefined, bootId: "", pidNamespace: "" });
  const ended = new Set<number>();
  return {
    readBundles({ pid }) {
      // As on a node, a bundle cannot be found before the pod or container has a process.
      if (pid <= 0) return none(noProcess);
      return found.length > 0 ? found : none("the recording holds no bundle");
    },
    identify,
    claim({ pid }) {
      if (pid <= 0) return { confirmed: false, reason: noProcess };
      return { confirmed: true, identity: identify(pid), parent: 0 };
    },
    liveness: ({ pid }) => (pid <= 0 ? "unknown" : ended.has(pid) ? "dead" : "alive"),
    sharesPidNamespace: () => ({ answer: "yes", reason: "a recording's pids are its own" }),
    watcher: { watch: () => () => {}, size: 0, close() {} },
    end: (pid) => void ended.add(pid),
  };
}
