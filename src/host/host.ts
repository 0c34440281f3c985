import { errorText } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import {
  type Answer,
  identifyProcess,
  type Liveness,
  livenessOf,
  type ProcessIdentity,
  readMachine,
  readProcessStat,
  sharesPidNamespace,
} from "./proc.js";
import { claimProcess, type ProcessClaim, type ProcessQuery } from "./process-owner.js";
import { createPollingWatcher, idleWatcher, type ProcessWatcher } from "./process-watcher.js";

/** Which pod or container a bundle is looked for. */
interface BundleQuery {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  /** Its process; 0 when there is none. */
  readonly pid: number;
  /** As the event has it: only a bundle that says the same is believed. */
  readonly cgroupsPath: string;
}

/** An OCI config.json that was found, or why there is none. */
type BundleAnswer =
  | { readonly found: true; readonly path: string; readonly bytes: Uint8Array }
  | { readonly found: false; readonly reason: string };

/**
 * The seam to the node: everything that asks the machine about processes. The real side looks at /proc; the recorded side
 * answers from a recording, where pids are not alive or belong to strangers.
 */
export interface Host {
  readonly kind: "node" | "recorded";
  /**
   * The bundle of a pod or container; the caller still has to check that its cgroupsPath is the event's.
   * @param parent of the process, where it is known already
   */
  readBundles(query: BundleQuery, parent?: number): Iterable<BundleAnswer>;
  /** The process that has this pid now, whoever's it is. */
  identify(pid: number): ProcessIdentity;
  /** The same, but only if it is the pod's or container's own. */
  claim(query: ProcessQuery): ProcessClaim;
  liveness(identity: ProcessIdentity): Liveness;
  /** Whether the pids that the runtime names mean the same processes here. */
  sharesPidNamespace(peer: number | undefined, named: number): Answer;
  readonly watcher: ProcessWatcher;
}

/**
 * The machine that we run on.
 *
 * @param watcher where there is a better one than looking again and again, such as one by pidfd
 */
export function createNodeHost(procRoot = "/proc", watcher: ProcessWatcher = createPollingWatcher({ procRoot })): Host {
  const machine = readMachine(procRoot);
  return {
    kind: "node",
    readBundles: (query, parent) => readBundles(query, procRoot, parent),
    identify: (pid) => identifyProcess(pid, machine),
    claim: (query) => claimProcess(query, machine),
    liveness: (identity) => livenessOf(identity, machine),
    sharesPidNamespace: (peer, named) => sharesPidNamespace(peer, named, machine),
    watcher,
  };
}

/**
 * Finds config.json through the process's parent, with no configuration. The parent of a pod's or container's process is
 * containerd's shim, whose working directory is the pod's bundle, beside which the containers' bundles lie; under CRI-O it
 * is conmon, whose working directory is the container's own bundle. The link is followed in the parent's own mount
 * namespace, so this works from a container that shares the host's pid namespace.
 */
function* readBundles(query: BundleQuery, procRoot: string, known = 0): Generator<BundleAnswer> {
  if (query.pid <= 0) return yield { found: false, reason: "the event names no process" };
  const parent = known > 1 ? known : parentOf(query.pid, procRoot);
  if (typeof parent === "string") return yield { found: false, reason: parent };
  const cwd = `${procRoot}/${parent}/cwd`;
  yield readBundle(`${cwd}/../${query.id}/config.json`);
  yield readBundle(`${cwd}/config.json`);
}

function readBundle(path: string): BundleAnswer {
  try {
    return { found: true, path, bytes: readRegularFile(path) };
  } catch (error) {
    return { found: false, reason: errorText(error) };
  }
}

/** The parent's pid, or why it is not known. */
function parentOf(pid: number, procRoot: string): number | string {
  const stat = readProcessStat(pid, procRoot);
  if (typeof stat === "string") return `the stat of process ${pid} is ${stat}`;
  return stat.parent > 1 ? stat.parent : `process ${pid} has no parent that keeps its bundle (not our pid namespace?)`;
}

/** The node of a recording. */
export interface RecordedHost extends Host {
  readonly kind: "recorded";
  /** Says that the recording has come to the end of a process: its Stop event. */
  end(pid: number): void;
}

/**
 * A recording: its bundles are all there is to ask about, and no pid of it is looked up on this machine. A process lives
 * from when it is named until the recording says that it ended.
 */
export function createRecordedHost(
  bundles: readonly { readonly path: string; readonly bytes: Uint8Array }[],
): RecordedHost {
  const answers: readonly BundleAnswer[] =
    bundles.length > 0
      ? bundles.map((bundle) => ({ found: true, ...bundle }))
      : [{ found: false, reason: "the recording holds no bundle" }];
  const identify = (pid: number) => ({ pid, startTime: undefined, bootId: "", pidNamespace: "" });
  const ended = new Set<number>();
  return {
    kind: "recorded",
    // As on a node: before there is a process, there is nothing to find a bundle by.
    readBundles: ({ pid }) => (pid > 0 ? answers : [{ found: false, reason: "the event names no process" }]),
    identify,
    claim: ({ pid }) =>
      pid > 0
        ? { confirmed: true, identity: identify(pid), parent: 0 }
        : { confirmed: false, reason: "the event names no process" },
    liveness: ({ pid }) => (pid <= 0 ? "unknown" : ended.has(pid) ? "dead" : "alive"),
    sharesPidNamespace: () => ({ answer: "yes", reason: "a recording's pids are its own" }),
    watcher: idleWatcher,
    end: (pid) => void ended.add(pid),
  };
}
