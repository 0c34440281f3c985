import { closeSync, openSync, readSync } from "node:fs";
import { EventPoll } from "./event-poll.js";
import type { Native } from "./native.js";
import { hasEnded, isGone, type ProcessStat, parseProcessStat } from "./proc.js";
import type { ProcessWatcher } from "./process-watcher.js";
import { createPollingWatcher, type PollingOptions } from "./process-watcher.js";

/** A command may be 64 bytes long (kernel workers), and there are 50 numbers after it. */
const statBytes = 1024;

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
  const buffer = Buffer.alloc(statBytes);

  /** As readProcessStat, which takes memory for each: there are thousands to watch when a runtime has told us of all. */
  function readStat(path: string): ProcessStat | "missing" | "unreadable" {
    let file: number | undefined;
    try {
      file = openSync(path, "r");
      return parseProcessStat(buffer.toString("latin1", 0, readSync(file, buffer, 0, statBytes, 0))) ?? "unreadable";
    } catch (error) {
      return isGone(error) ? "missing" : "unreadable";
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  return {
    watch(identity, onExit) {
      const { pid, startTime } = identity;
      if (pid <= 0 || startTime === undefined) return () => {};
      const pidfd = libc.pidfdOpen(pid);
      if (pidfd < 0 && libc.lastError() !== "ESRCH") return fallback.watch(identity, onExit);
      // Read after the pidfd was opened: if it is the process now, the pidfd is its.
      const stat = pidfd < 0 ? "missing" : readStat(`${procRoot}/${pid}/stat`);
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
