import type { ProcessIdentity } from "./process-identity.js";

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
