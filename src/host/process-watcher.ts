import { closeSync } from "node:fs";
import { EventPoll } from "./event-poll.js";
import type { Native } from "./native.js";
import { livenessHere, type ProcessIdentity } from "./proc.js";

export interface ProcessWatcher {
  /**
   * Calls `onExit` once, never within this call, when the process has ended, also if another process already has its pid. A process
   * without a pid or start time is not watched.
   * @returns a function that stops watching; more calls of it do nothing
   */
  watch(identity: ProcessIdentity, onExit: () => void): () => void;
  readonly size: number;
  close(): void;
}

/**
 * Watches processes by pidfds in one epoll descriptor: the watcher notices an exit at once, and a pidfd never refers to another
 * process. Without `native`, or when a pidfd cannot be watched, a timer checks the process in /proc every `intervalMs`
 * milliseconds; the timer does not keep the bridge alive.
 * @throws NativeError when epoll_create1 fails
 */
export function createProcessWatcher(native?: Native, procRoot = "/proc", intervalMs = 500): ProcessWatcher {
  const events = native && new EventPoll(native.koffi, native.libc);
  const watched = new Set<() => void>();
  const polled = new Map<() => void, ProcessIdentity>();
  let timer: NodeJS.Timeout | undefined;

  function watchPidfd(identity: ProcessIdentity, onExit: () => void): (() => void) | undefined {
    const pidfd = native?.libc.pidfdOpen(identity.pid) ?? -1;
    if (pidfd < 0) return undefined;
    // The check comes after the open: if the process still lives now, the pidfd refers to this process.
    const unwatch = livenessHere(identity, procRoot) === "alive" ? events?.watch(pidfd, onExit) : undefined;
    const close = () => {
      unwatch?.();
      closeSync(pidfd);
    };
    if (unwatch !== undefined) return close;
    close();
    return undefined;
  }

  function poll(identity: ProcessIdentity, onExit: () => void): () => void {
    polled.set(onExit, identity);
    timer ??= setInterval(() => {
      for (const [exited, one] of [...polled]) {
        // A callback of this round may have ended other watches. A process that cannot be read is not taken as ended; the next
        // round checks the process again.
        if (polled.has(exited) && livenessHere(one, procRoot) === "dead") exited();
      }
    }, intervalMs).unref();
    return () => {
      polled.delete(onExit);
      if (polled.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }

  return {
    watch(identity, onExit) {
      if (identity.pid <= 0 || identity.startTime === undefined) return () => {};
      const exited = () => {
        stop();
        onExit();
      };
      const byPidfd = watchPidfd(identity, exited);
      if (byPidfd === undefined && livenessHere(identity, procRoot) === "dead") {
        const soon = setImmediate(onExit);
        return () => clearImmediate(soon);
      }
      const unwatch = byPidfd ?? poll(identity, exited);
      const stop = () => {
        if (watched.delete(stop)) unwatch();
      };
      watched.add(stop);
      return stop;
    },
    get size() {
      return watched.size;
    },
    close() {
      for (const stop of [...watched]) stop();
      events?.close();
    },
  };
}
