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

/** A create that no plugin ran for, or that the runtime listed: it is recorded when its turn comes or an event names it. */
export interface Pending {
  readonly target: Target;
  readonly info: CreateInfo;
}

/**
 * `open`: the delete is owed. `rerun`: an earlier bridge began it and did not see its end, so it is delivered again.
 * `deleting`: it runs. `deleted`: it was delivered, well or not. A held sandbox passes through all of them, with `refused`.
 */
export type State = "open" | "rerun" | "deleting" | "deleted";

/** What is recorded of an id. */
export interface LedgerEntry {
  readonly created: Created;
  readonly state: State;
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
  /** The journal's lines for it, kept as text: a rewrite of the file costs nothing but the writing. */
  createLine?: string | undefined;
  stepLine?: string | undefined;
}

/** An id has one entry; a pending create stands beside what is recorded of an earlier phase or life. */
interface Entry {
  pending: Pending | undefined;
  recorded: Recorded | undefined;
}

/** More than a runtime removes while one StopContainer is on its way. */
const mostRemoved = 1_000;

/**
 * What is owed a delete. Each create that was attempted gets one and nothing else does: `takeDelete` gives the right to
 * deliver it, once in this process; what a kill cuts short is the next bridge's to deliver again. An entry stays until its pod
 * or container is removed, for the events that come after the delete.
 *
 * Every change goes to the journal before anything is run for it.
 */
export class Ledger {
  /** What is recorded is in the order of its creates. */
  private readonly entries = new Map<string, Entry>();
  /** The ids of each pod's containers: an event is not to look at all pods of the node. */
  private readonly containerIds = new Map<string, Set<string>>();
  /** The latest ids that were removed: the runtime sends a StopContainer beside all else, so that it may come after. */
  private readonly removed = new Set<string>();
  private journal: { append(line: string): void } | undefined;
  private recordedCount = 0;

  /** @param most beyond so many the oldest whose delete was delivered is forgotten; far more than a node has */
  constructor(private readonly most = 50_000) {}

  /** Writes each change to this journal from now on; without one, nothing is kept over our end. */
  attach(journal: { append(line: string): void }): void {
    this.journal = journal;
  }

  /** Takes over what an earlier bridge left; what is recorded here already stays. Gives whether there was anything new. */
  adopt(entries: readonly LedgerEntry[]): boolean {
    const unknown = entries.filter(({ created }) => this.recorded(created.id) === undefined);
    for (const { created, state } of unknown) this.put({ created, state, createResults: [] });
    return unknown.length > 0;
  }

  /** The lines of the shortest journal that amounts to what is recorded, in pieces: a full node's are too many for one. */
  lines(): string[] {
    return [...this.entries.values()].flatMap(({ recorded }) => (recorded === undefined ? [] : linesOf(recorded)));
  }

  /** Notes a create that is to be recorded later. */
  defer(target: Target, info: CreateInfo): void {
    const { id, sandboxID, kind } = target;
    this.entries.set(id, { pending: { target, info }, recorded: this.recorded(id) });
    if (kind === "container") this.list(sandboxID, id);
  }

  /** The create that is to be recorded later, which the caller does now. */
  takePending(id: string): Pending | undefined {
    const entry = this.entries.get(id);
    const pending = entry?.pending;
    if (entry === undefined || pending === undefined) return undefined;
    entry.pending = undefined;
    if (entry.recorded === undefined) this.unlist(id, pending.target.sandboxID);
    return pending;
  }

  /** Whether what was running before us waits to be adopted: nothing has happened to it since then. */
  awaitsAdoption(id: string): boolean {
    return this.entries.get(id)?.pending?.info.adopted === true;
  }

  /** The ids of the creates that are to be recorded later. */
  pending(): string[] {
    return [...this.entries].flatMap(([id, { pending }]) => (pending === undefined ? [] : [id]));
  }

  /** Records a create before its chain runs, so that a failed one gets its delete too. */
  record(create: Omit<Created, "phases" | "adopted" | "refused">, info: CreateInfo = {}): Created {
    const { phases = ["start"], adopted = false } = info;
    const before = this.recorded(create.id);
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
    this.journal?.append(createLineOf(recorded));
    return created;
  }

  get(id: string): Created | undefined {
    return this.recorded(id)?.created;
  }

  /** Whether a create of this id was attempted or listed, or it was removed a moment ago. */
  knows(id: string): boolean {
    return this.entries.has(id) || this.removed.has(id);
  }

  /** Whether a create was attempted and no delete delivered. */
  isOpen(id: string): boolean {
    const recorded = this.recorded(id);
    return recorded !== undefined && owesDelete(recorded);
  }

  /** Its create failed, and the runtime cannot be told. Its delete is owed at once. */
  refuse(id: string): void {
    this.noteRefused(id, true);
  }

  /** A create of it has succeeded. */
  accept(id: string): void {
    this.noteRefused(id, false);
  }

  /** Whether it is a held sandbox. */
  isRefused(id: string): boolean {
    return this.get(id)?.refused === true;
  }

  private noteRefused(id: string, refused: boolean): void {
    const recorded = this.recorded(id);
    if (recorded === undefined || this.isRefused(id) === refused) return;
    const { refused: _, ...created } = recorded.created;
    recorded.created = refused ? { ...created, refused } : created;
    recorded.createLine = undefined;
    for (const line of linesOf(recorded)) this.journal?.append(line);
  }

  /** Whether its delete runs. */
  isDeleting(id: string): boolean {
    return this.recorded(id)?.state === "deleting";
  }

  /** What to deliver the delete of; undefined when there was no create, its delete was taken, or it is not ours. */
  takeDelete(id: string): Created | undefined {
    const recorded = this.recorded(id);
    if (recorded === undefined || !owesDelete(recorded)) return undefined;
    const begun = recorded.state === "rerun";
    recorded.state = "deleting";
    if (!begun) this.writeStep(recorded);
    return recorded.created;
  }

  /** The delete has nobody to be delivered to. */
  skipDelete(id: string): void {
    const recorded = this.recorded(id);
    if (recorded !== undefined && owesDelete(recorded)) this.settle(recorded);
  }

  /** The delete that was taken has been delivered, well or not: it never runs again. */
  endDelete(id: string): void {
    const recorded = this.recorded(id);
    if (recorded?.state === "deleting") this.settle(recorded);
  }

  /** The runtime has removed it: events that were on their way may still name it. */
  noteRemoved(id: string): void {
    this.removed.add(id);
    const [oldest] = this.removed;
    if (this.removed.size > mostRemoved && oldest !== undefined) this.removed.delete(oldest);
  }

  /** It is removed and its process still runs. Gives whether that is new: a removal may be tried again and again. */
  noteLeaving(id: string): boolean {
    const recorded = this.recorded(id);
    if (recorded === undefined || recorded.removal !== undefined) return false;
    recorded.removal = "leaving";
    return true;
  }

  /** Its pod or container is removed. One whose delete is still owed or runs is forgotten when that has ended. */
  forget(id: string): void {
    const recorded = this.recorded(id);
    if (recorded === undefined) return;
    if (owesDelete(recorded) || recorded.state === "deleting") recorded.removal = "due";
    else this.drop(recorded.created);
  }

  /** What the plugins of the create phase answered: the start phase's requests show it. Kept in memory only. */
  createResultsOf(id: string): readonly Result[] {
    return this.recorded(id)?.createResults ?? [];
  }

  keepCreateResults(id: string, results: readonly Result[]): void {
    const recorded = this.recorded(id);
    if (recorded !== undefined) recorded.createResults = results;
  }

  /** Adds to what is answered to its updates. */
  keep(id: string, kept: Created["kept"]): void {
    const recorded = this.recorded(id);
    if (recorded === undefined || kept === undefined) return;
    recorded.created = { ...recorded.created, kept: { ...recorded.created.kept, ...kept } };
    recorded.createLine = undefined;
    this.journal?.append(createLineOf(recorded));
  }

  /** All that is recorded, in the order of the creates. */
  all(): LedgerEntry[] {
    return [...this.entries.values()].flatMap(({ recorded }) => recorded ?? []);
  }

  /** The ids of a pod's containers, recorded or pending. */
  containersOf(sandboxID: string): string[] {
    return [...(this.containerIds.get(sandboxID) ?? [])];
  }

  /** How many are recorded. */
  get size(): number {
    return this.recordedCount;
  }

  private recorded(id: string): Recorded | undefined {
    return this.entries.get(id)?.recorded;
  }

  private settle(recorded: Recorded): void {
    recorded.state = "deleted";
    this.writeStep(recorded);
    if (recorded.removal === "due") this.drop(recorded.created);
  }

  private writeStep(recorded: Recorded): void {
    recorded.stepLine = undefined;
    this.journal?.append(stepLineOf(recorded));
  }

  private put(recorded: Recorded): void {
    const { id, sandboxID, kind } = recorded.created;
    const before = this.entries.get(id);
    if (before?.recorded === undefined) this.recordedCount++;
    this.containerIds.get(sandboxID)?.delete(id);
    this.entries.set(id, { pending: before?.pending, recorded });
    if (kind === "container") this.list(sandboxID, id);
    if (this.recordedCount > this.most) this.forgetOldest();
  }

  private forgetOldest(): void {
    for (const { recorded } of this.entries.values()) {
      if (recorded?.state !== "deleted") continue;
      this.drop(recorded.created);
      return;
    }
  }

  private drop({ id, sandboxID }: Created): void {
    this.recordedCount--;
    const entry = this.entries.get(id);
    if (entry?.pending === undefined) this.unlist(id, sandboxID);
    else entry.recorded = undefined;
    this.journal?.append(formatStep("forgotten", id));
  }

  private list(sandboxID: string, id: string): void {
    const ids = this.containerIds.get(sandboxID) ?? new Set();
    this.containerIds.set(sandboxID, ids.add(id));
  }

  private unlist(id: string, sandboxID: string): void {
    this.entries.delete(id);
    const ids = this.containerIds.get(sandboxID);
    if (ids?.delete(id) && ids.size === 0) this.containerIds.delete(sandboxID);
  }
}

function isWaiting({ state }: LedgerEntry): boolean {
  return state === "open" || state === "rerun";
}

/** Whether a create was attempted, no delete delivered, and both are the bridge's business. */
export function owesDelete(entry: LedgerEntry): boolean {
  return isWaiting(entry) && entry.created.served;
}

function linesOf(recorded: Recorded): string[] {
  return recorded.state === "open" ? [createLineOf(recorded)] : [createLineOf(recorded), stepLineOf(recorded)];
}

function createLineOf(recorded: Recorded): string {
  recorded.createLine ??= formatCreate(recorded.created);
  return recorded.createLine;
}

function stepLineOf(recorded: Recorded): string {
  const { state, created } = recorded;
  recorded.stepLine ??= formatStep(state === "deleted" ? "delete-done" : "delete-begun", created.id);
  return recorded.stepLine;
}
