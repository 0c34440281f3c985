import { fstatSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { isNullDevice, makeDirectory } from "../files.js";
import { openJournal } from "./journal.js";
import type { LogDestination } from "./log.js";
import { openLogFile } from "./log-file.js";

/** Where the machine's log sockets are; a test puts its own there. */
export interface LogPlaces {
  readonly journalSocket: string;
  readonly file: string;
}

export const defaultLogPlaces: LogPlaces = {
  journalSocket: "/run/systemd/journal/stdout",
  file: "/var/lib/nri-v01-bridge/bridge.log",
};

/**
 * Chooses where the log goes. `auto` is standard error, unless that is /dev/null, as it is for a plugin that the runtime
 * launched: then the journal, else a file of limited size, so that a node never runs the bridge blind.
 * @throws the system's error for a path that cannot be written to
 */
export function openLogDestination(output: string, places: LogPlaces = defaultLogPlaces): LogDestination {
  if (output.startsWith("/")) return openPath(output);
  if (output === "stderr" || !isUnread(2)) return stderrDestination;
  if (isSocket(places.journalSocket)) return openJournal(places.journalSocket, () => openFile(places.file));
  return openFile(places.file);
}

/** PIPE_BUF: a pipe takes so much whole or not at all. */
const atomicBytes = 4096;

/** Written at once, so that the last line before an exit is not lost. */
const stderrDestination: LogDestination = {
  write(line) {
    try {
      writeSync(2, line);
    } catch {
      // A log reader that is gone, or a full pipe, must not stop the bridge.
    }
  },
  writeAll(lines) {
    const text = lines.join("");
    if (Buffer.byteLength(text) <= atomicBytes) stderrDestination.write(text);
    else for (const line of lines) stderrDestination.write(line);
  },
};

function openPath(path: string): LogDestination {
  makeDirectory(dirname(path), 0o700);
  return openLogFile(path);
}

function openFile(path: string): LogDestination {
  try {
    return openPath(path);
  } catch {
    // A read-only or full disk: standard error is all that is left, even if nobody reads it.
    return stderrDestination;
  }
}

/** Whether a descriptor is /dev/null, or not open at all. */
function isUnread(fd: number): boolean {
  try {
    return isNullDevice(fstatSync(fd));
  } catch {
    return true;
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
