import { existsSync } from "node:fs";
import { BridgeError, fileFault } from "../base/errors.js";
import { makeDirectory } from "../base/files.js";
import { findPermissionFault, PermissionWalk } from "../base/permissions.js";

const remedy = "root must own it, and no other user may have write permission";

/**
 * Makes the state directory, or checks that only we and root can put anything into it or into its place.
 * @throws BridgeError STATE when others can, or it cannot be made
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

/** Why a file there cannot be trusted: others than root and us can write it; null when they cannot, or there is none. */
export function whyUntrusted(path: string): string | null {
  return existsSync(path) ? findPermissionFault(path, { remedy }) : null;
}
