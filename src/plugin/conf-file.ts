import { BridgeError, errorText } from "../base/errors.js";
import { fileStamp, readRegularFile } from "../base/files.js";
import { createConfigCheck } from "../base/permissions.js";
import { parseConfigList } from "../v01/config-list.js";
import type { ConfigList } from "../v01/types.js";
import { errorCode, formatFileError } from "./go-errors.js";

/** Reads conf.json, the list of v0.1 plugins. */
export interface ConfFile {
  readonly path: string;
  /**
   * The plugins that conf.json lists now. Parses the file again when its inode, mtime, ctime or size has changed since the last
   * call; a missing file is an empty list.
   * @throws BridgeError CONF_LIST when the file cannot be read or parsed, with containerd 1.6's text, or when `permissions` is
   * `strict` and another user can change the file
   */
  read(): ConfigList;
}

/** compat: without a file, NRI v0.1's client ran no plugins and used version 0.1. */
const missing: ConfigList = { version: "0.1", plugins: [] };

/**
 * Creates the reader of the conf.json at `path`. containerd 1.6 read the file for every event; the bridge reads it only after a
 * change, so an unchanged file costs one stat, and the permission check with `strict`.
 *
 * @param permissions `strict`: only root and the bridge's own user may be able to change the file, since it decides what runs as
 * root. `read` checks this at each call, because a change of a directory's mode leaves the file's stamp the same.
 */
export function createConfFile(path: string, permissions: "strict" | "trust" = "trust"): ConfFile {
  const findFault = permissions === "strict" ? createConfigCheck() : () => null;
  let known: { readonly stamp: string; readonly list: ConfigList | BridgeError } | undefined;
  return {
    path,
    read() {
      const stamp = stampOf(path);
      if (stamp === undefined) return missing;
      const fault = findFault(path);
      if (fault !== null) throw new BridgeError("CONF_LIST", fault, { file: path });
      if (known?.stamp !== stamp) known = { stamp, list: readList(path) };
      if (known.list instanceof BridgeError) throw known.list;
      return known.list;
    },
  };
}

/** The stamp of the file; undefined when there is no file. @throws BridgeError CONF_LIST when stat(2) fails otherwise */
function stampOf(path: string): string | undefined {
  try {
    return fileStamp(path);
  } catch (error) {
    // Only ENOENT means that the file is missing. With `throwIfNoEntry: false`, statSync of Node 22 and later also hides ENOTDIR.
    if (errorCode(error) === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/**
 * Reads and parses conf.json. Returns a parse error instead of throwing it, since the error stays true until the file changes.
 * @throws BridgeError CONF_LIST when the file cannot be read now, which may pass without a change of the file
 */
function readList(path: string): ConfigList | BridgeError {
  let bytes: Uint8Array;
  try {
    bytes = readRegularFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return parseConfigList(bytes);
  } catch (error) {
    const fields = error instanceof BridgeError ? error.fields : {};
    return new BridgeError("CONF_LIST", errorText(error), { ...fields, file: path });
  }
}

/** Error codes that reading the open file gives; all other codes come from open(2). */
const ofReading: ReadonlySet<string> = new Set(["EFBIG", "EFTYPE", "EIO", "EISDIR"]);

/**
 * compat: Go's error names the failed step (`read /etc/nri/conf.json: is a directory`). v0.1's client opened the file, then read
 * it.
 */
function unreadable(path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  return new BridgeError("CONF_LIST", formatFileError(ofReading.has(code) ? "read" : "open", path, code), {
    file: path,
  });
}
