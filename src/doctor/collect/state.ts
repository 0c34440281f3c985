import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../../config/schema.js";
import type { StateFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";

/** Whether the bridge can keep its journal. A directory that is not there yet is made, if its parent lets us. */
export function readState(files: NodeFiles, config: Config): StateFacts {
  const directory = config.state === "memory" ? undefined : config.state.directory;
  if (directory === undefined) return { directory, writable: true, freeBytes: undefined };
  let existing = directory;
  while (existing !== "/" && files.stat(existing) === undefined) existing = dirname(existing);
  const usable = files.stat(existing)?.isDirectory() === true;
  return { directory, writable: usable && files.isWritable(existing), freeBytes: freeBytes(files.locate(existing)) };
}

function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
