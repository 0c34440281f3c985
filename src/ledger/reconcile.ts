import type { Liveness, ProcessIdentity } from "../host/proc.js";
import { type Created, type LedgerEntry, owesDelete } from "./ledger.js";

/** A pod sandbox or container in the runtime's list. */
export interface Listed {
  readonly id: string;
  readonly sandboxID?: string;
  /** The pid of the process; 0 when there is none. */
  readonly pid: number;
  /** The container's CRI state; absent for a sandbox. */
  readonly container?: { readonly state: string } | undefined;
}

/** What differs between the ledger's entries and the runtime's list and the machine's processes. */
interface Reconciled<T extends Listed> {
  /** The runtime lists these as running, and the ledger has no entry for them. */
  readonly unknown: readonly T[];
  /**
   * The bridge has to deliver these deletes now: the process is gone, or an earlier bridge began the delete. Containers come first.
   */
  readonly gone: readonly string[];
  /** Held sandboxes whose delete an earlier bridge did not finish: this bridge delivers it at once. */
  readonly refused: readonly string[];
  /** These still exist and are owed a delete: the bridge has to watch their processes. */
  readonly left: readonly Created[];
  /** The bridge owes these no delete, and the runtime has removed them. */
  readonly forgotten: readonly string[];
}

/**
 * Compares the ledger's entries with the runtime's list after a registration, and with the processes of the machine.
 *
 * @param listed undefined when the runtime never sends its list (containerd 1.7 to a plugin that it launched): then /proc alone
 * shows which processes are gone, and where it cannot, the bridge waits for events
 * @param podsHaveProcess false when a pod may run without a process of its own: the state of its containers then shows whether it
 * runs
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
  // A container that is created and not yet started may have no process: that does not show that it is gone.
  if (entry.container?.state === "CONTAINER_CREATED" && !created.phases.includes("start")) return false;
  const liveness = alive(created);
  // A runtime that gave a pid at the create and gives none now says that the process has ended. One that never gave a pid says
  // nothing.
  return liveness === "dead" || (liveness === "unknown" && created.pid > 0);
}

const runningStates: ReadonlySet<string> = new Set(["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_PAUSED"]);

function isRunning(container: Listed["container"]): boolean {
  return container !== undefined && runningStates.has(container.state);
}
