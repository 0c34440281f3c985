import { closeSync, openSync, readSync } from "node:fs";
import { errnoOf, errorText } from "../base/errors.js";
import { hasEnded, isGone, type ProcessIdentity, type ProcessStat, parseProcessStat } from "./proc.js";

/**
 * Tells when processes end. There is one way to it for every machine, which looks a few times a second, and there can be
 * one by pidfd where that system call can be made.
 */
export interface ProcessWatcher {
  /**
   * Calls `onExit` once, never from within this call, when the process has ended; at once when it is gone already, or
   * its pid is another process's by now. A process that cannot be told from others (no start time) is not watched.
   * @returns stops watching; may be called at any time, and again
   */
  watch(identity: ProcessIdentity, onExit: () => void): () => void;
  /** How many are watched. */
  readonly size: number;
  /** Stops watching all of them. */
  close(): void;
}

/** Watches nothing, and never calls back: for a recording, whose processes are not of this machine. */
export const idleWatcher: ProcessWatcher = { watch: () => () => {}, size: 0, close() {} };

interface Watched {
  readonly pid: number;
  readonly startTime: string;
  readonly onExit: () => void;
  /** /proc/<pid>/stat, held open; undefined while it cannot be opened. */
  fd: number | undefined;
}

export interface PollingOptions {
  readonly procRoot?: string;
  /** Between two looks, in milliseconds. */
  readonly intervalMs?: number;
  /** Told once when the stat of a process cannot be opened, for want of descriptors for example. */
  readonly onUnreadable?: (reason: string) => void;
}

/** A command may be 64 bytes long (kernel workers), and there are 50 numbers after it. */
const statBytes = 1024;
/** What cannot be opened is tried again at every fifth look. */
const againAtLook = 5;

/**
 * Watches processes by reading their /proc/<pid>/stat again and again, all of them in one timer that does not keep the
 * bridge alive.
 *
 * An open file of /proc stays with its process: once that is gone, reading fails with ESRCH, whoever has the pid then.
 * So a pid that is used again is never mistaken for the process, and one look costs a quarter of opening the file anew.
 */
export function createPollingWatcher(options: PollingOptions = {}): ProcessWatcher {
  const { procRoot = "/proc", intervalMs = 200, onUnreadable = () => {} } = options;
  const watched = new Set<Watched>();
  const buffer = Buffer.alloc(statBytes);
  let timer: NodeJS.Timeout | undefined;
  let looks = 0;
  let told = false;

  function read(fd: number): ProcessStat | "ended" | "unreadable" {
    try {
      const length = readSync(fd, buffer, 0, statBytes, 0);
      const stat = parseProcessStat(buffer.toString("latin1", 0, length));
      if (stat === undefined) return "unreadable";
      return hasEnded(stat) ? "ended" : stat;
    } catch (error) {
      return errnoOf(error) === "ESRCH" ? "ended" : "unreadable";
    }
  }

  /** Opens the stat of a process, and gives whether that process has ended. */
  function open(entry: Watched): "ended" | "watched" {
    const { pid, startTime } = entry;
    try {
      entry.fd = openSync(`${procRoot}/${pid}/stat`, "r");
    } catch (error) {
      if (isGone(error)) return "ended";
      // It is there: no end of a process may be made up from that, and none be missed.
      if (!told) onUnreadable(errorText(error));
      told = true;
      return "watched";
    }
    const stat = read(entry.fd);
    return stat === "ended" || (stat !== "unreadable" && stat.startTime !== startTime) ? "ended" : "watched";
  }

  function stop(entry: Watched): void {
    if (watched.delete(entry)) close(entry);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  function look(): void {
    looks += 1;
    for (const entry of [...watched]) {
      // A callback may have stopped others of this round.
      if (!watched.has(entry) || !endedSince(entry)) continue;
      stop(entry);
      entry.onExit();
    }
  }

  function endedSince(entry: Watched): boolean {
    if (entry.fd !== undefined) return read(entry.fd) === "ended";
    return looks % againAtLook === 0 && open(entry) === "ended";
  }

  return {
    watch({ pid, startTime }: ProcessIdentity, onExit) {
      if (pid <= 0 || startTime === undefined) return () => {};
      const entry: Watched = { pid, startTime, onExit, fd: undefined };
      if (open(entry) === "ended") {
        close(entry);
        const soon = setImmediate(onExit);
        return () => clearImmediate(soon);
      }
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

function close(entry: Watched): void {
  if (entry.fd !== undefined) closeSync(entry.fd);
  entry.fd = undefined;
}
