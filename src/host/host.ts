import { errorText } from "../base/errors.js";
import { fileIdentity, readRegularFile } from "../base/files.js";
import {
  type Answer,
  argumentsOf,
  flagOf,
  type Liveness,
  livenessHere,
  type ProcessIdentity,
  readLink,
  readProcessStat,
  readText,
} from "./proc.js";
import { createProcessWatcher, type ProcessWatcher } from "./process-watcher.js";

export interface ProcessQuery {
  readonly id: string;
  readonly sandboxID: string;
  /** 0 when there is none. */
  readonly pid: number;
  /** As the event has it, in the form of cgroupfs or of systemd; "" when it does not say. */
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
  /** The caller has to check that the bundle's cgroupsPath is the event's. @param parent of the process, where it is known */
  readBundles(query: Pick<ProcessQuery, "id" | "pid">, parent?: number): Iterable<BundleAnswer>;
  /** The process that has this pid now, whichever it is. */
  identify(pid: number): ProcessIdentity;
  /** The same, but only if it is the pod's or container's own. */
  claim(query: ProcessQuery): ProcessClaim;
  liveness(identity: ProcessIdentity): Liveness;
  /**
   * @param peer the runtime's own process where it is known
   * @param named a pid of an event on its way, so that its process runs; 0 when there is none
   */
  sharesPidNamespace(peer: number | undefined, named: number): Answer;
  readonly watcher: ProcessWatcher;
}

const noProcess = "the event names no process";

/** The machine that we run on. */
export function createNodeHost(procRoot = "/proc", watcher = createProcessWatcher(undefined, procRoot)): Host {
  // Neither changes while we run.
  const bootId = readText(`${procRoot}/sys/kernel/random/boot_id`)?.trim() ?? "";
  const pidNamespace = readLink(`${procRoot}/self/ns/pid`) ?? "";
  return {
    watcher,

    *readBundles({ id, pid }, known = 0) {
      if (pid <= 0) return yield { found: false, reason: noProcess };
      const stat = known > 1 ? { parent: known } : readProcessStat(pid, procRoot);
      if (typeof stat === "string") return yield { found: false, reason: `the stat of process ${pid} is ${stat}` };
      const reason = `process ${pid} has no parent that keeps its bundle (not our pid namespace?)`;
      if (stat.parent <= 1) yield { found: false, reason };
      // The pod's bundle has its containers' beside it: as containerd lays them out, and as CRI-O does.
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
      // Before its cgroup: should the pid change hands meanwhile, the identity is that of a process which has ended.
      const stat = readProcessStat(pid, procRoot);
      if (typeof stat === "string") return { confirmed: false, reason: `process ${pid} does not exist here` };
      const { startTime, parent } = stat;
      // The parent's directory first: a link costs a third of reading a file. A shim's is the pod's, for each of its containers.
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
      // A bridge that is deployed anew may find itself in a pid namespace of its own, where old pids mean nothing.
      return identity.pidNamespace === pidNamespace ? livenessHere(identity, procRoot) : "unknown";
    },

    sharesPidNamespace(peer, named) {
      const runtimes = peer === undefined ? undefined : readLink(`${procRoot}/${peer}/ns/pid`);
      const isSeen = pidNamespace !== "" && runtimes !== undefined;
      const unknown = "the runtime's process is not known, and no event named one";
      if (!isSeen && named <= 0) return { answer: "unknown", reason: unknown };
      const isOurs = isSeen ? pidNamespace === runtimes : readProcessStat(named, procRoot) !== "missing";
      const process = isSeen ? `the runtime's process ${peer}` : `process ${named}, which the runtime named,`;
      return { answer: isOurs ? "yes" : "no", reason: `${process} is ${isOurs ? "" : "not "}in our pid namespace` };
    },
  };
}

/**
 * Where the bundle of a process may lie, or that of its pod; the likeliest first. The links are followed in the mount namespace of
 * their process: it works from a container with the host's pid namespace. Nothing that a container can choose is among them.
 */
function* bundleFolders(pid: number, parent: number, procRoot: string): Iterable<string> {
  if (parent > 1) {
    // containerd's shim works in the pod's bundle, as does CRI-O's with runtime_type "vm"; conmon works in the container's.
    yield `${procRoot}/${parent}/cwd`;
    // conmon-rs works where CRI-O does, and is told the pod's directory (conmon-rs pkg/client/client.go toArgs).
    const told = flagOf(argumentsOf(parent, procRoot), "--runtime-dir");
    if (told?.startsWith("/")) yield `${procRoot}/${parent}/root${told}`;
  }
  // Kata's runtime-rs names its shim as the process, which works in the pod's bundle (runtime-rs shim_start.rs and sandbox.rs).
  const root = fileIdentity(`${procRoot}/${pid}/root/`);
  if (root !== undefined && root === fileIdentity(`${procRoot}/1/root/`)) yield `${procRoot}/${pid}/cwd`;
}

/** Whether the text of /proc/<pid>/cgroup, of cgroup v1, v2 or both, names a pod or container. */
function cgroupsName(cgroups: string, id: string, cgroupsPath: string): boolean {
  // systemd's form is slice:prefix:name, which becomes the unit prefix-name.scope.
  const [, prefix, name] = cgroupsPath.split(":");
  const scope = name?.endsWith(".slice") ? name : `${prefix ? `${prefix}-` : ""}${name}.scope`;
  const wanted = name ? scope : cgroupsPath.replace(/^\/+|\/+$/g, "");
  return cgroups.split("\n").some((line) => {
    // `hierarchy:controllers:path`; a path may hold colons.
    const path = line.split(":").slice(2).join(":");
    return pathNames(path, id) || (wanted !== "" && `${path}/`.includes(`/${wanted}/`));
  });
}

/** Whether a part of a path is this id, bare or in a systemd unit such as `cri-containerd-<id>.scope`. */
function pathNames(path: string, id: string): boolean {
  const isId = (part: string) => part === id || part.endsWith(`-${id}.scope`) || part.endsWith(`:${id}`);
  return id !== "" && path.split("/").some(isId);
}

/** A recording. `end` says that it has come to the end of a process: its Stop event. */
export type RecordedHost = Host & { readonly end: (pid: number) => void };

/** A recording's node: no pid is looked up on this machine. A process lives from when it is named until the recording says that it ended. */
export function createRecordedHost(bundles: readonly Bundle[]): RecordedHost {
  const found: readonly BundleAnswer[] = bundles.map((bundle) => ({ found: true, ...bundle }));
  const none = (reason: string): readonly BundleAnswer[] => [{ found: false, reason }];
  const identify = (pid: number) => ({ pid, startTime: undefined, bootId: "", pidNamespace: "" });
  const ended = new Set<number>();
  return {
    readBundles({ pid }) {
      // As on a node: before there is a process, there is nothing to find a bundle by.
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
