import { closeSync, openSync } from "node:fs";
import { errnoOf, errorText } from "../base/errors.js";
import { EventPoll } from "./event-poll.js";
import type { Native } from "./native.js";
import { hasEnded, isGone, type ProcessIdentity, type ProcessStat, readOpenStat, readProcessStat } from "./proc.js";

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

interface PollingOptions {
  readonly procRoot?: string;
  /** Between two looks, in milliseconds. */
  readonly intervalMs?: number;
  /** Told once when the stat of a process cannot be opened, for want of descriptors for example. */
  readonly onUnreadable?: (reason: string) => void;
}

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
  let timer: NodeJS.Timeout | undefined;
  let looks = 0;
  let told = false;

  function read(fd: number): ProcessStat | "ended" | "unreadable" {
    try {
      const stat = readOpenStat(fd);
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

export interface PidfdWatcherOptions {
  readonly procRoot?: string;
  readonly onUnreadable?: PollingOptions["onUnreadable"];
  /** Watches those that the system gives no pidfd for, or whose stat cannot be read: descriptors are used up. */
  readonly fallback?: ProcessWatcher;
}

/**
 * Watches processes by pidfds, all in one epoll descriptor: nothing is done until one of them ends, and then it is told in
 * the same turn of the loop. A pidfd stays with its process, whoever has the pid later.
 *
 * @throws Error when the system gives no epoll descriptor
 */
export function createPidfdWatcher({ koffi, libc }: Native, options: PidfdWatcherOptions = {}): ProcessWatcher {
  const { procRoot = "/proc", onUnreadable = () => {} } = options;
  const { fallback = createPollingWatcher({ procRoot, onUnreadable }) } = options;
  const events = new EventPoll(koffi, libc);
  const watched = new Set<() => void>();

  return {
    watch(identity, onExit) {
      const { pid, startTime } = identity;
      if (pid <= 0 || startTime === undefined) return () => {};
      const pidfd = libc.pidfdOpen(pid);
      if (pidfd < 0 && libc.lastError() !== "ESRCH") return fallback.watch(identity, onExit);
      // Read after the pidfd was opened: if it is the process now, the pidfd is its.
      const stat = pidfd < 0 ? "missing" : readProcessStat(pid, procRoot);
      const ended = stat === "missing" || (stat !== "unreadable" && (stat.startTime !== startTime || hasEnded(stat)));
      if (ended || stat === "unreadable") {
        if (pidfd >= 0) closeSync(pidfd);
        // Not ended, as far as can be told: it tries again.
        if (!ended) return fallback.watch(identity, onExit);
        const told = setImmediate(onExit);
        return () => clearImmediate(told);
      }
      const unwatch = events.watch(pidfd, () => {
        stop();
        onExit();
      });
      if (unwatch === undefined) {
        closeSync(pidfd);
        return fallback.watch(identity, onExit);
      }
      const stop = (): void => {
        if (!watched.delete(stop)) return;
        unwatch();
        closeSync(pidfd);
      };
      watched.add(stop);
      return stop;
    },
    get size() {
      return watched.size + fallback.size;
    },
    close() {
      for (const stop of [...watched]) stop();
      fallback.close();
      events.close();
    },
  };
}
