import type { Liveness, ProcessIdentity } from "../host/proc.js";
import { type Created, type LedgerEntry, owesDelete } from "./ledger.js";

/** A pod sandbox or container in the runtime's list. */
export interface Listed {
  readonly id: string;
  readonly sandboxID?: string;
  /** 0 when it has no process. */
  readonly pid: number;
  /** Absent for a sandbox. */
  readonly container?: { readonly state: string } | undefined;
}

/** The comparison of the records with the runtime's list and the machine. */
interface Reconciled<T extends Listed> {
  /** Listed as running, and never heard of. */
  readonly unknown: readonly T[];
  /** To be deleted now: their process is gone, or their delete was begun by an earlier bridge. Containers first. */
  readonly gone: readonly string[];
  /** Held sandboxes of an earlier bridge that did not see the end of their delete: it is owed at once. */
  readonly refused: readonly string[];
  /** Still there, and waiting for a delete: their processes are worth watching. */
  readonly left: readonly Created[];
  /** Deleted long since and gone from the runtime too. */
  readonly forgotten: readonly string[];
}

/**
 * Compares what create was attempted for with the runtime's list after a registration, and with the machine.
 *
 * @param listed undefined for a runtime that never tells (containerd 1.7 to a plugin that it launched): then /proc alone
 * says who is gone, and what it cannot say is left to the events
 * @param podsHaveProcess false where a pod may run without a process of its own: the state of its containers tells then
 */
export function reconcile<T extends Listed>(
  listed: readonly T[] | undefined,
  recorded: readonly LedgerEntry[],
  livenessOf: (identity: ProcessIdentity) => Liveness = () => "unknown",
  podsHaveProcess = true,
): Reconciled<T> {
  const byId = listed === undefined ? undefined : new Map(listed.map((entry) => [entry.id, entry]));
  const alive = ({ process }: Created) => (process === undefined ? "unknown" : livenessOf(process));
  const isGone = (created: Created) =>
    byId === undefined ? alive(created) === "dead" : saysGone(byId.get(created.id), created, alive);
  const isPast = (created: Created) =>
    byId === undefined ? alive(created) === "dead" : !byId.has(created.id) && alive(created) !== "alive";
  const gone: Created[] = [];
  const left: Created[] = [];
  const refused: string[] = [];
  const forgotten: string[] = [];
  for (const entry of recorded) {
    const { created, state } = entry;
    if (owesDelete(entry)) {
      if (created.refused) refused.push(created.id);
      else (state === "rerun" || isGone(created) ? gone : left).push(created);
    } else if ((state === "deleted" || !created.served) && isPast(created)) forgotten.push(created.id);
  }
  const ofRunning = new Set(listed?.flatMap(({ sandboxID, container }) => (isRunning(container) ? [sandboxID] : [])));
  const runs = ({ id, pid, container }: T) =>
    pid > 0 || (!podsHaveProcess && container === undefined && ofRunning.has(id));
  const known = new Set(recorded.map(({ created }) => created.id));
  return {
    unknown: (listed ?? []).filter((entry) => runs(entry) && !known.has(entry.id)),
    gone: gone.toSorted((a, b) => Number(a.kind === "sandbox") - Number(b.kind === "sandbox")).map(({ id }) => id),
    refused,
    left,
    forgotten,
  };
}

function saysGone(entry: Listed | undefined, created: Created, alive: (of: Created) => Liveness): boolean {
  if (entry === undefined) return alive(created) !== "alive";
  if (entry.pid > 0) return false;
  // Created and not yet started: that it has no process says nothing.
  if (entry.container?.state === "CONTAINER_CREATED" && !created.phases.includes("start")) return false;
  const liveness = alive(created);
  // A runtime that named a process once and names none now says that it ended; one that never did says nothing.
  return liveness === "dead" || (liveness === "unknown" && created.pid > 0);
}

const runningStates: ReadonlySet<string> = new Set(["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_PAUSED"]);

function isRunning(container: Listed["container"]): boolean {
  return container !== undefined && runningStates.has(container.state);
}
