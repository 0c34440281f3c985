import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { LogDestination } from "./log.js";

/** A log of limited size: at 5 MiB the file becomes `<path>.1`, over the one before it. */
export function openLogFile(path: string, limitBytes = 5 * 1024 * 1024): LogDestination {
  let fd = openSync(path, "a", 0o600);
  let size = fstatSync(fd).size;
  return {
    write(line) {
      try {
        const bytes = Buffer.byteLength(line);
        if (size + bytes > limitBytes && size > 0) {
          closeSync(fd);
          renameSync(path, `${path}.1`);
          fd = openSync(path, "a", 0o600);
          size = 0;
        }
        size += writeSync(fd, line);
      } catch {
        // A full disk costs log lines, never an event.
      }
    },
  };
}
