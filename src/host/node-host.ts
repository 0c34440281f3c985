import { errorText } from "../errors.js";
import { readRegularFile } from "../files.js";
import type { BundleAnswer, BundleQuery, Host } from "./host.js";
import { sharesPidNamespace } from "./pid-namespace.js";
import { createPollingWatcher } from "./polling-watcher.js";
import { identifyProcess, livenessOf, readMachine } from "./process-identity.js";
import { claimProcess } from "./process-owner.js";
import { readProcessStat } from "./process-stat.js";
import type { ProcessWatcher } from "./process-watcher.js";

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
