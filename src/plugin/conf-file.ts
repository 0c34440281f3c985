import { BridgeError, errorText } from "../base/errors.js";
import { fileStamp, readRegularFile } from "../base/files.js";
import { createConfigCheck } from "../base/permissions.js";
import { parseConfigList } from "../v01/config-list.js";
import type { ConfigList } from "../v01/types.js";
import { errorCode, formatFileError } from "./go-errors.js";

/** conf.json as it is at this moment. */
export interface ConfFile {
  readonly path: string;
  /**
   * Reads the list again when inode, mtime or size changed since the last time; a missing file is an empty list.
   * @throws BridgeError CONF_LIST when it cannot be read or parsed, with containerd 1.6's text, or is not to be trusted
   */
  read(): ConfigList;
}

/** compat: NRI v0.1's client ran no plugins, and said version 0.1, where there was no file. */
const missing: ConfigList = { version: "0.1", plugins: [] };

/**
 * conf.json on disk. containerd 1.6 read it for every event; here an unchanged file costs one stat.
 *
 * @param permissions `strict`: it says what runs as root, so only root, or we, may be able to change it; looked at
 * each time, since a directory's mode changes nothing of the file
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

/** undefined when there is no file. */
function stampOf(path: string): string | undefined {
  try {
    return fileStamp(path);
  } catch (error) {
    // ENOENT alone: Node 22 and later take ENOTDIR for a missing file too where they are told not to throw.
    if (errorCode(error) === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/** A fault of the text lasts as long as the text. @throws BridgeError CONF_LIST when it cannot be read at this moment */
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

/** The errors that come after open(2). */
const ofReading: ReadonlySet<string> = new Set(["EFBIG", "EFTYPE", "EIO", "EISDIR"]);

/** compat: v0.1's client opened the file and read it, and Go says what failed: `read /etc/nri/conf.json: is a directory`. */
function unreadable(path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  return new BridgeError("CONF_LIST", formatFileError(ofReading.has(code) ? "read" : "open", path, code), {
    file: path,
  });
}
