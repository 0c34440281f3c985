import { closeSync } from "node:fs";
import { EventPoll } from "./event-poll.js";
import type { Native } from "./native.js";
import { livenessHere, type ProcessIdentity } from "./proc.js";

export interface ProcessWatcher {
  /**
   * Calls `onExit` once, never within this call, when the process has ended or its pid is another's. Without a start time it is not
   * watched. @returns stops watching; may be called again
   */
  watch(identity: ProcessIdentity, onExit: () => void): () => void;
  readonly size: number;
  close(): void;
}

/**
 * Watches pidfds in one epoll descriptor: an end is told in the same turn of the loop, and a pidfd stays with its process. Without FFI
 * or descriptors one timer, which does not keep the bridge alive, looks at each process every `intervalMs`.
 * @throws Error when the system gives no epoll descriptor
 */
export function createProcessWatcher(native?: Native, procRoot = "/proc", intervalMs = 500): ProcessWatcher {
  const events = native && new EventPoll(native.koffi, native.libc);
  const watched = new Set<() => void>();
  const polled = new Map<() => void, ProcessIdentity>();
  let timer: NodeJS.Timeout | undefined;

  function watchPidfd(identity: ProcessIdentity, onExit: () => void): (() => void) | undefined {
    const pidfd = native?.libc.pidfdOpen(identity.pid) ?? -1;
    if (pidfd < 0) return undefined;
    // Looked at after the pidfd was opened: if it is the process now, the pidfd is its.
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
        // A callback may have stopped others of this round. One that cannot be read has not ended, and is looked at again.
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
