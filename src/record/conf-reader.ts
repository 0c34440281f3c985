import { statSync } from "node:fs";
import { readRegularFile } from "../files.js";

/** conf.json as it is: its bytes, and a stamp that is another one whenever they may be. */
export interface ConfBytes {
  readonly stamp: string;
  /** Undefined where there is no file, or none that can be read. */
  readonly bytes: Uint8Array | undefined;
}

/** Reads conf.json again when it may have changed; otherwise a reading costs one stat. */
export function createConfReader(path: string): () => ConfBytes {
  let known: ConfBytes = { stamp: "", bytes: undefined };
  return () => {
    const stamp = stampOf(path);
    if (stamp !== known.stamp) known = { stamp, bytes: read(path) };
    return known;
  };
}

function stampOf(path: string): string {
  try {
    const stat = statSync(path, { bigint: true });
    return `${stat.dev}:${stat.ino}:${stat.mtimeNs}:${stat.ctimeNs}:${stat.size}`;
  } catch {
    return "none";
  }
}

function read(path: string): Uint8Array | undefined {
  try {
    return readRegularFile(path);
  } catch {
    return undefined;
  }
}
