import type { ProcessIdentity } from "../host/proc.js";
import type { Target } from "../v01/to-v01.js";
import type { Result, Spec } from "../v01/types.js";
import { formatCreate, formatStep } from "./journal.js";

/** What is kept of a pod sandbox or container for which a create was attempted. */
export interface Created {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  readonly sandboxID: string;
  readonly pid: number;
  readonly spec: Spec;
  /** namespace/name of the pod, for the log. */
  readonly pod: string;
  /** The container's name, for the log; absent for a sandbox. */
  readonly container?: string;
  /** The phases whose plugins had their create, so that they get its delete. */
  readonly phases: readonly Phase[];
  /** It ran before us and counts as created, in both phases. */
  readonly adopted: boolean;
  /** Whether its events are the bridge's business: a containerd that runs v0.1 plugins for sandboxes serves them itself. */
  readonly served: boolean;
  /** Its process, where that could be told. */
  readonly process?: ProcessIdentity;
  /** A sandbox whose create failed, which the runtime cannot be told: it is held until a create of it succeeds. */
  readonly refused?: true;
  /** The resources that plugins set at its create, for the answers to its updates: adjust keys and their values. */
  readonly kept?: Readonly<Record<string, string>> | undefined;
}

/** Where creates run: `create` at CreateContainer, `start` at StartContainer and RunPodSandbox. */
export type Phase = "create" | "start";
export const bothPhases: readonly Phase[] = ["create", "start"];

/** How a create came about. */
export interface CreateInfo {
  /** Whose plugins' create this is; those of `start` when not said. */
  readonly phases?: readonly Phase[];
  readonly adopted?: boolean;
}

/**
 * `open`: the delete is owed. `rerun`: an earlier bridge began it and did not see its end, so it is delivered again.
 * `deleting`: it runs. `deleted`: it was delivered, well or not. A held sandbox passes through all of them, with `refused`.
 */
export type State = "open" | "rerun" | "deleting" | "deleted";

export interface LedgerEntry {
  readonly created: Created;
  readonly state: State;
}

interface Journal {
  /** @param isLate it need not be on file before an answer leaves: the worst that a kill makes of it is a second delete */
  append(line: string, isLate?: boolean): void;
}

interface Recorded extends LedgerEntry {
  created: Created;
  state: State;
  /** What the plugins of the create phase answered. */
  createResults: readonly Result[];
  /**
   * Its pod or container is removed. `leaving`: its process still runs, and the entry stays until that has ended. `due`: the
   * entry goes with the end of the delete.
   */
  removal?: "leaving" | "due";
}

/**
 * What is owed a delete. Each create that was attempted gets one and nothing else does: `takeDelete` gives the right to
 * deliver it, once in this process; what a kill cuts short is the next bridge's to deliver again. An entry stays until its pod
 * or container is removed, for the events that come after the delete.
 *
 * Every change goes to the journal before anything is run for it.
 */
export class Ledger {
  /**
   * By id, the creates that no plugin ran for, or that the runtime listed: they are recorded when their turn comes or an event names
   * them, beside what is recorded of an earlier phase or life.
   */
  readonly deferred = new Map<string, { readonly target: Target; readonly info: CreateInfo }>();
  private readonly entries = new Map<string, Recorded>();
  /** Those of each pod's containers: an event is not to look at all pods of the node. */
  private readonly containerIds = new Map<string, Set<string>>();
  /** The latest ids that were removed: the runtime sends a StopContainer beside all else, so that it may come after. */
  private readonly removed: string[] = [];
  private journal: Journal | undefined;
  /** Ids that were dropped while the journal has not been read: what it says of them is past. */
  private dropped: Set<string> | undefined;

  /** Writes each change to this journal from now on; without one, nothing is kept over our end. */
  attach(journal: Journal): void {
    this.journal = journal;
    this.dropped = new Set();
  }

  /** Takes over what an earlier bridge left; what is recorded here already stays. Gives whether there was anything new. */
  adopt(entries: readonly LedgerEntry[]): boolean {
    const unknown = entries.filter(({ created: { id } }) => !this.entries.has(id) && !this.dropped?.has(id));
    this.dropped = undefined;
    for (const { created, state } of unknown) this.put({ created, state, createResults: [] });
    return unknown.length > 0;
  }

  /** The lines of the shortest journal that amounts to what is recorded, each made when it is asked for. */
  *lines(): Generator<string, void, undefined> {
    for (const recorded of this.entries.values()) yield linesOf(recorded);
  }

  /** Records a create before its chain runs, so that a failed one gets its delete too. */
  record(create: Omit<Created, "phases" | "adopted" | "refused">, info: CreateInfo = {}): Created {
    const { phases = ["start"], adopted = false } = info;
    const before = this.entries.get(create.id);
    // A create after the delete begins a new life.
    const same = before !== undefined && isWaiting(before) ? before : undefined;
    const process = create.process ?? (same?.created.pid === create.pid ? same.created.process : undefined);
    const created: Created = {
      ...create,
      phases: adopted ? bothPhases : [...new Set([...(same?.created.phases ?? []), ...phases])],
      adopted,
      ...(process === undefined ? {} : { process }),
      ...(before?.created.refused ? { refused: true } : {}),
      kept: same?.created.kept,
    };
    const recorded: Recorded = { created, state: "open", createResults: same?.createResults ?? [] };
    this.put(recorded);
    this.journal?.append(linesOf(recorded));
    return created;
  }

  private put(recorded: Recorded): void {
    const { kind, id, sandboxID } = recorded.created;
    this.entries.set(id, recorded);
    if (kind === "sandbox") return;
    const ids = this.containerIds.get(sandboxID) ?? new Set();
    this.containerIds.set(sandboxID, ids.add(id));
  }

  get(id: string): Created | undefined {
    return this.entries.get(id)?.created;
  }

  /** Whether a create of this id was attempted or listed, or it was removed a moment ago. */
  knows(id: string): boolean {
    return this.entries.has(id) || this.deferred.has(id) || this.removed.includes(id);
  }

  /** Whether a create was attempted and no delete delivered. */
  isOpen(id: string): boolean {
    const recorded = this.entries.get(id);
    return recorded !== undefined && owesDelete(recorded);
  }

  /** Whether its delete runs. */
  isDeleting(id: string): boolean {
    return this.entries.get(id)?.state === "deleting";
  }

  /** Whether it is a held sandbox. */
  isRefused(id: string): boolean {
    return this.get(id)?.refused === true;
  }

  /** A create of it has failed, and the runtime cannot be told: its delete is owed at once. Or one has succeeded. */
  setRefused(id: string, refused: boolean): void {
    const recorded = this.entries.get(id);
    if (recorded === undefined || this.isRefused(id) === refused) return;
    const { refused: _, ...created } = recorded.created;
    recorded.created = refused ? { ...created, refused } : created;
    this.journal?.append(linesOf(recorded));
  }

  /** What to deliver the delete of; undefined when there was no create, its delete was taken, or it is not ours. */
  takeDelete(id: string): Created | undefined {
    const recorded = this.entries.get(id);
    if (recorded === undefined || !owesDelete(recorded)) return undefined;
    const begun = recorded.state === "rerun";
    recorded.state = "deleting";
    if (!begun) this.journal?.append(stepLine(recorded));
    return recorded.created;
  }

  /** No plugin takes the delete. */
  skipDelete(id: string): void {
    const recorded = this.entries.get(id);
    if (recorded !== undefined && owesDelete(recorded)) this.settle(recorded);
  }

  /** The delete that was taken has been delivered, well or not: it never runs again. */
  endDelete(id: string): void {
    const recorded = this.entries.get(id);
    if (recorded?.state === "deleting") this.settle(recorded);
  }

  private settle(recorded: Recorded): void {
    recorded.state = "deleted";
    this.journal?.append(stepLine(recorded), true);
    if (recorded.removal === "due") this.drop(recorded.created);
  }

  /** It is removed and its process still runs. Gives whether that is new: a removal may be tried again and again. */
  noteLeaving(id: string): boolean {
    const recorded = this.entries.get(id);
    if (recorded === undefined || recorded.removal !== undefined) return false;
    recorded.removal = "leaving";
    return true;
  }

  /** Its pod or container is removed. One whose delete is still owed or runs is forgotten when that has ended. */
  forget(id: string): void {
    // More than a runtime removes while one StopContainer is on its way.
    if (this.removed.push(id) > 1_000) this.removed.shift();
    const recorded = this.entries.get(id);
    if (recorded === undefined) return;
    if (owesDelete(recorded) || recorded.state === "deleting") recorded.removal = "due";
    else this.drop(recorded.created);
  }

  private drop({ id, sandboxID }: Created): void {
    this.entries.delete(id);
    const ids = this.containerIds.get(sandboxID);
    if (ids?.delete(id) && ids.size === 0) this.containerIds.delete(sandboxID);
    this.dropped?.add(id);
    this.journal?.append(formatStep("forgotten", id), true);
  }

  /** What the plugins of the create phase answered: the start phase's requests show it. Kept in memory only. */
  createResultsOf(id: string): readonly Result[] {
    return this.entries.get(id)?.createResults ?? [];
  }

  keepCreateResults(id: string, results: readonly Result[]): void {
    const recorded = this.entries.get(id);
    if (recorded !== undefined) recorded.createResults = results;
  }

  /** Adds to what is answered to its updates. */
  keep(id: string, kept: Created["kept"]): void {
    const recorded = this.entries.get(id);
    if (recorded === undefined || kept === undefined) return;
    recorded.created = { ...recorded.created, kept: { ...recorded.created.kept, ...kept } };
    this.journal?.append(linesOf(recorded));
  }

  /** All that is recorded, in the order of the creates. */
  all(): LedgerEntry[] {
    return [...this.entries.values()];
  }

  /** The ids of a pod's containers, recorded or pending. */
  containersOf(sandboxID: string): string[] {
    const ids = new Set(this.containerIds.get(sandboxID));
    for (const { target } of this.deferred.values()) {
      if (target.sandboxID === sandboxID && target.kind === "container") ids.add(target.id);
    }
    return [...ids];
  }

  get size(): number {
    return this.entries.size;
  }

  /** How many that are there ran before us, so that no plugin had their create. */
  get adopted(): number {
    return this.all().filter((entry) => entry.created.adopted && entry.created.served && owesDelete(entry)).length;
  }
}

function isWaiting({ state }: LedgerEntry): boolean {
  return state === "open" || state === "rerun";
}

/** Whether a create was attempted, no delete delivered, and both are the bridge's business. */
export function owesDelete(entry: LedgerEntry): boolean {
  return isWaiting(entry) && entry.created.served;
}

function linesOf(entry: LedgerEntry): string {
  return formatCreate(entry.created) + (entry.state === "open" ? "" : stepLine(entry));
}

function stepLine({ state, created }: LedgerEntry): string {
  return formatStep(state === "deleted" ? "delete-done" : "delete-begun", created.id);
}
