import { readFileSync } from "node:fs";
import { errorText } from "../errors.js";
import type { BundleAnswer, BundleQuery, Host } from "./host.js";

/** The machine that we run on. */
export function createNodeHost(procRoot = "/proc"): Host {
  return {
    kind: "node",
    readBundles: (query) => readBundles(query, procRoot),
  };
}

/**
 * Finds config.json through the process's parent, with no configuration. The parent of a pod's or container's process is
 * containerd's shim, whose working directory is the pod's bundle, beside which the containers' bundles lie; under CRI-O it
 * is conmon, whose working directory is the container's own bundle. The link is followed in the parent's own mount
 * namespace, so this works from a container that shares the host's pid namespace.
 */
function readBundles(query: BundleQuery, procRoot: string): readonly BundleAnswer[] {
  if (query.pid <= 0) return [{ found: false, reason: "the event names no process" }];
  const parent = parentOf(query.pid, procRoot);
  if (typeof parent === "string") return [{ found: false, reason: parent }];
  const cwd = `${procRoot}/${parent}/cwd`;
  return [`${cwd}/../${query.id}/config.json`, `${cwd}/config.json`].map((path) => readBundle(path));
}

function readBundle(path: string): BundleAnswer {
  try {
    return { found: true, path, bytes: readFileSync(path) };
  } catch (error) {
    return { found: false, reason: errorText(error) };
  }
}

/** The parent's pid, or why it is not known. */
function parentOf(pid: number, procRoot: string): number | string {
  let stat: string;
  try {
    stat = readFileSync(`${procRoot}/${pid}/stat`, "latin1");
  } catch (error) {
    return `process ${pid}: ${errorText(error)}`;
  }
  // The second field is the command in parentheses and may hold anything; what follows the last one is plain (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const parent = Number(fields[1]);
  return parent > 1 ? parent : `process ${pid} has no parent that keeps its bundle (not our pid namespace?)`;
}
