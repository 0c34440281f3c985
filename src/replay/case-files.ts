import { readdirSync, statSync } from "node:fs";
import { BridgeError, errnoOf, fileFault } from "../errors.js";
import { readRegularFile } from "../files.js";

/** Events are read as one text, and no text is longer. */
const maxBytes = 512 * 1024 * 1024;

/**
 * @param flag which named the path
 * @throws BridgeError USAGE that names the path, and why it cannot be read
 */
export function readFile(path: string, flag?: string): Buffer {
  return orUsage(flag === undefined ? path : `${flag}: ${path}`, () => readRegularFile(path, maxBytes));
}

/** The same; undefined where there is no such file. @throws BridgeError USAGE */
export function readIfThere(path: string): Buffer | undefined {
  return kindOf(path) === undefined ? undefined : readFile(path);
}

/** The names in a folder, sorted; undefined where there is no such folder. @throws BridgeError USAGE */
export function listIfThere(path: string): readonly string[] | undefined {
  return kindOf(path) === undefined ? undefined : orUsage(path, () => readdirSync(path).sort());
}

/** Whether there is something at a path; what cannot be looked at is no `undefined`. @throws BridgeError USAGE */
export function kindOf(path: string): "folder" | "file" | undefined {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error))) return undefined;
    throw new BridgeError("USAGE", `${path}: ${fileFault(error)}`);
  }
}

function orUsage<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new BridgeError("USAGE", `${path}: ${fileFault(error)}`);
  }
}
