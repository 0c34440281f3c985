import { type Clock, Deadline, monotonicClock } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import { fileStamp, readRegularFile } from "../base/files.js";
import { findConfigPermissionFault } from "../base/permissions.js";
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

/** For how long the directories above an unchanged conf.json are taken to have the modes that they had, in milliseconds. */
const trustedMs = 1_000;

/**
 * conf.json on disk. containerd 1.6 read it for every event; here an unchanged file costs one stat.
 *
 * @param permissions `strict`: it says what runs as root, so nobody but root, or we, may be able to change it; looked at when
 * it has changed, and again after a while: what a directory's mode allows is seen when another file takes its place
 */
export function createConfFile(
  path: string,
  permissions: "strict" | "trust" = "trust",
  clock: Clock = monotonicClock,
): ConfFile {
  let known:
    | { readonly stamp: string; readonly list: ConfigList | BridgeError; readonly trusted: Deadline }
    | undefined;
  return {
    path,
    read() {
      const stamp = stampOf(path);
      if (stamp === undefined) return missing;
      if (known?.stamp !== stamp || known.trusted.expired) {
        const fault = permissions === "strict" ? findConfigPermissionFault(path) : null;
        if (fault !== null) throw new BridgeError("CONF_LIST", fault, { file: path });
        const list = known?.stamp === stamp ? known.list : readList(path);
        known = { stamp, list, trusted: Deadline.after(trustedMs, clock) };
      }
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

/** What is wrong with the text is as lasting as the text. @throws BridgeError CONF_LIST when it cannot be read at this moment */
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

/** What is found out behind open(2). */
const ofReading: ReadonlySet<string> = new Set(["EFBIG", "EFTYPE", "EIO", "EISDIR"]);

/** compat: v0.1's client opened the file and read it, and Go says what failed: `read /etc/nri/conf.json: is a directory`. */
function unreadable(path: string, error: unknown): BridgeError {
  const code = errorCode(error);
  return new BridgeError("CONF_LIST", formatFileError(ofReading.has(code) ? "read" : "open", path, code), {
    file: path,
  });
}
