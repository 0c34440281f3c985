import type { Liveness, ProcessIdentity } from "../host/proc.js";
import type { Memory, Remembered } from "./memory.js";

/** A pod sandbox or container in the runtime's list. */
export interface Listed {
  readonly id: string;
  /** 0 when it has no process. */
  readonly pid: number;
  /** Absent for a sandbox. */
  readonly container?: { readonly state: string } | undefined;
}

/** What the runtime's list and the machine say about what is remembered. */
export interface Reconciled<T extends Listed> {
  /** Listed with a process, and never heard of. */
  readonly unknown: readonly T[];
  /** To be deleted now: their process is gone, or their delete was begun by an earlier bridge. Containers first. */
  readonly gone: readonly string[];
  /** Still there, and waiting for a delete: their processes are worth watching. */
  readonly left: readonly Remembered[];
  /** Deleted long since and gone from the runtime too: nothing will be asked about them again. */
  readonly forgotten: readonly string[];
}

/** Whether the process of an identity still runs. */
export type LivenessOf = (identity: ProcessIdentity) => Liveness;

/**
 * Compares what create was attempted for with the runtime's list after a registration, and with the machine.
 *
 * @param listed undefined for a runtime that never tells (containerd 1.7 to a plugin that it launched): then /proc alone
 * says who is gone, and what it cannot say is left to the events
 */
export function reconcile<T extends Listed>(
  listed: readonly T[] | undefined,
  memory: Memory,
  livenessOf: LivenessOf = () => "unknown",
): Reconciled<T> {
  const byId = listed === undefined ? undefined : new Map(listed.map((entry) => [entry.id, entry]));
  const alive = ({ process }: Remembered) => (process === undefined ? "unknown" : livenessOf(process));
  const isGone = (remembered: Remembered) =>
    memory.stageOf(remembered.id) === "rerun" ||
    (byId === undefined ? alive(remembered) === "dead" : saysGone(byId.get(remembered.id), remembered, alive));
  const open = memory.open().map((remembered) => ({ remembered, over: isGone(remembered) }));
  return {
    unknown: (listed ?? []).filter((entry) => entry.pid > 0 && memory.get(entry.id) === undefined),
    gone: open.flatMap(({ remembered, over }) => (over ? [remembered.id] : [])),
    left: open.flatMap(({ remembered, over }) => (over ? [] : [remembered])),
    forgotten: memory
      .settled()
      .filter((remembered) => {
        if (byId === undefined) return alive(remembered) === "dead";
        return !byId.has(remembered.id) && alive(remembered) !== "alive";
      })
      .map(({ id }) => id),
  };
}

function saysGone(entry: Listed | undefined, remembered: Remembered, alive: (of: Remembered) => Liveness): boolean {
  if (entry === undefined) return alive(remembered) !== "alive";
  if (entry.pid > 0) return false;
  // Created and not yet started: that it has no process says nothing.
  if (entry.container?.state === "CONTAINER_CREATED" && !remembered.phases.includes("start")) return false;
  const liveness = alive(remembered);
  // A runtime that named a process once and names none now says that it ended; one that never did says nothing.
  return liveness === "dead" || (liveness === "unknown" && remembered.pid > 0);
}
