import { findPermissionFault } from "../legacy/permissions.js";
import type { NodeFiles } from "./node-files.js";

/** findPermissionFault for a file of the node, in the node's names. */
export function findFaultBelow(files: NodeFiles, path: string): string | null {
  const fault = findPermissionFault(path, undefined, files.root === "/" ? "" : files.root);
  return fault === null ? null : files.rename(fault);
}
