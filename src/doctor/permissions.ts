import { lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { findPermissionFault } from "../legacy/permissions.js";
import type { NodeFiles } from "./node-files.js";

/** findPermissionFault for a file of the node, in the node's names. */
export function findFaultBelow(files: NodeFiles, path: string): string | null {
  const here = files.locate(path);
  if (!isMagic(files.root)) {
    const fault = findPermissionFault(here);
    return fault === null ? null : files.rename(fault);
  }
  try {
    return faultOnTheWay(files.root, files.nameOf(here));
  } catch (thrown) {
    return `${path}: its permissions cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}

/** A link such as /proc/1/root: what it says is a path of that process, and not of ours. Only the kernel can follow it. */
function isMagic(root: string): boolean {
  try {
    return root.startsWith("/proc/") && realpathSync(root) !== root;
  } catch {
    return false;
  }
}

/** The same rules along a path without links, of which every part is looked at through the root. */
function faultOnTheWay(root: string, path: string): string | null {
  const own = process.geteuid?.() ?? 0;
  let at = path;
  for (;;) {
    const { uid, mode, gid } = lstatSync(at === "/" ? `${root}/.` : join(root, at));
    if (uid !== 0 && uid !== own) return `${at}: it belongs to user ${uid}; let root own it`;
    // A sticky directory is none of somebody else's to change, but for one that the file itself is in.
    const sticky = at !== path && at !== dirname(path) && (mode & 0o1000) !== 0;
    if (!sticky && (mode & 0o022) !== 0) {
      const who = (mode & 0o002) !== 0 ? "everybody" : `group ${gid}`;
      return `${at}: mode ${(mode & 0o7777).toString(8).padStart(4, "0")} lets ${who} write it; let nobody but root write it`;
    }
    if (at === "/") return null;
    at = dirname(at);
  }
}
