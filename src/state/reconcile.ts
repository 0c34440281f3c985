import type { Memory } from "./memory.js";

/** A pod sandbox or container in the runtime's list. */
export interface Listed {
  readonly id: string;
  /** 0 when it has no process. */
  readonly pid: number;
}

/** What the runtime's list says about what is remembered. */
export interface Reconciled<T extends Listed> {
  /** Listed with a process, and never heard of. */
  readonly unknown: readonly T[];
  /** Waiting for a delete, and not listed, or listed without a process. */
  readonly gone: readonly string[];
}

/** Compares the runtime's list after a registration with what create was attempted for. */
export function reconcile<T extends Listed>(listed: readonly T[], memory: Memory): Reconciled<T> {
  const running = new Set(listed.filter((entry) => entry.pid > 0).map((entry) => entry.id));
  return {
    unknown: listed.filter((entry) => entry.pid > 0 && memory.get(entry.id) === undefined),
    gone: memory
      .open()
      .map((attempted) => attempted.id)
      .filter((id) => !running.has(id)),
  };
}
