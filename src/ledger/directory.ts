import { existsSync } from "node:fs";
import { BridgeError, fileFault } from "../base/errors.js";
import { makeDirectory } from "../base/files.js";
import { findPermissionFault, PermissionWalk } from "../base/permissions.js";

const remedy = "root must own it, and no other user may have write permission";

/**
 * Makes the state directory; checks that only root and the bridge's user can add files to it or replace it.
 * @throws BridgeError STATE when another user can, or when the directory cannot be made
 */
export function prepareDirectory(path: string): void {
  try {
    makeDirectory(path, 0o700);
  } catch (error) {
    throw new BridgeError("STATE", `cannot make the state directory ${path}: ${fileFault(error)}`, { path });
  }
  const fault = new PermissionWalk({ remedy }).directoryFault(path);
  if (fault !== null) throw new BridgeError("STATE", `the state directory ${path} is not safe: ${fault}`, { path });
}

/**
 * Why a file in the state directory cannot be trusted: the users besides root and the bridge's own who can write it; null when no
 * other user can, or there is no file.
 */
export function whyUntrusted(path: string): string | null {
  return existsSync(path) ? findPermissionFault(path, { remedy }) : null;
}
