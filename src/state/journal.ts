import type { Remembered, Stage } from "./memory.js";

/** What an earlier bridge left behind of a pod sandbox or container. */
export interface Recovered {
  readonly remembered: Remembered;
  /** `rerun`: its delete had begun, and no end of it was written. */
  readonly stage: Extract<Stage, "open" | "rerun" | "deleted">;
}

/**
 * Where the memory writes what happens, before it happens. No call fails or waits: what a disk does not take is the
 * journal's trouble, never an event's.
 */
export interface Journal {
  begin(remembered: Remembered): void;
  deleteBegun(id: string): void;
  deleteDone(id: string): void;
  forget(id: string): void;
}

/** Keeps nothing. */
export const noJournal: Journal = { begin() {}, deleteBegun() {}, deleteDone() {}, forget() {} };
