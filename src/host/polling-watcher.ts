import { closeSync, openSync, readSync } from "node:fs";
import type { ProcessIdentity } from "./process-identity.js";
import { hasEnded, isCode, type ProcessStat, parseProcessStat } from "./process-stat.js";
import type { ProcessWatcher } from "./process-watcher.js";

interface Watched {
  /** /proc/<pid>/stat, held open. */
  readonly fd: number;
  readonly onExit: () => void;
}

export interface PollingOptions {
  readonly procRoot?: string;
  /** Between two looks, in milliseconds. */
  readonly intervalMs?: number;
}

/** A command may be 64 bytes long (kernel workers), and there are 50 numbers after it. */
const statBytes = 1024;

/**
 * Watches processes by reading their /proc/<pid>/stat again and again, all of them in one timer that does not keep the
 * bridge alive.
 *
 * An open file of /proc stays with its process: once that is gone, reading fails with ESRCH, whoever has the pid then.
 * So a pid that is used again is never mistaken for the process, and one look costs a quarter of opening the file anew.
 */
export function createPollingWatcher({ procRoot = "/proc", intervalMs = 200 }: PollingOptions = {}): ProcessWatcher {
  const watched = new Set<Watched>();
  const buffer = Buffer.alloc(statBytes);
  let timer: NodeJS.Timeout | undefined;

  function read(fd: number): ProcessStat | "ended" | "unreadable" {
    try {
      const length = readSync(fd, buffer, 0, statBytes, 0);
      const stat = parseProcessStat(buffer.toString("latin1", 0, length));
      if (stat === undefined) return "unreadable";
      return hasEnded(stat) ? "ended" : stat;
    } catch (error) {
      return isCode(error, "ESRCH") ? "ended" : "unreadable";
    }
  }

  function stop(entry: Watched): void {
    if (!watched.delete(entry)) return;
    closeSync(entry.fd);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  function look(): void {
    for (const entry of [...watched]) {
      // A callback may have stopped others of this round.
      if (!watched.has(entry) || read(entry.fd) !== "ended") continue;
      stop(entry);
      entry.onExit();
    }
  }

  return {
    watch({ pid, startTime }: ProcessIdentity, onExit) {
      if (pid <= 0 || startTime === undefined) return () => {};
      const fd = openStat(`${procRoot}/${pid}/stat`);
      if (fd === undefined) return () => {};
      const stat = fd === "missing" ? "ended" : read(fd);
      if (fd === "missing" || stat === "ended" || (stat !== "unreadable" && stat.startTime !== startTime)) {
        if (fd !== "missing") closeSync(fd);
        const told = setImmediate(onExit);
        return () => clearImmediate(told);
      }
      const entry: Watched = { fd, onExit };
      watched.add(entry);
      timer ??= setInterval(look, intervalMs).unref();
      return () => stop(entry);
    },
    get size() {
      return watched.size;
    },
    close() {
      for (const entry of [...watched]) stop(entry);
    },
  };
}

/** Undefined when the file is there and cannot be opened: no end of a process may be made up from that. */
function openStat(path: string): number | "missing" | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    return isCode(error, "ENOENT") || isCode(error, "ESRCH") ? "missing" : undefined;
  }
}
