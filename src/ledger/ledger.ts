import type { ProcessIdentity } from "../host/proc.js";
import type { Target } from "../v01/to-v01.js";
import type { Result, Spec } from "../v01/types.js";
import { formatCreate, formatStep } from "./journal.js";

/** What the ledger keeps of a pod sandbox or container for which the bridge has attempted a create. */
export interface Created {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  readonly sandboxID: string;
  readonly pid: number;
  readonly spec: Spec;
  /** The pod's namespace/name, for the log. */
  readonly pod: string;
  /** The container's name, for the log; absent for a sandbox. */
  readonly container?: string;
  /** The phases whose plugins got the create; the same plugins get the delete. */
  readonly phases: readonly Phase[];
  /** The pod or container ran before the bridge did. The ledger treats it as created in both phases. */
  readonly adopted: boolean;
  /**
   * Whether the bridge handles its events. A containerd that itself runs v0.1 plugins for sandboxes handles the sandboxes' events.
   */
  readonly served: boolean;
  /** The process of the pod or container; undefined when the bridge could not identify it. */
  readonly process?: ProcessIdentity;
  /**
   * A held sandbox: its create failed, and the bridge cannot tell the runtime. The sandbox stays held until a create of it
   * succeeds.
   */
  readonly refused?: true;
  /** The resources that plugins set at the create, by adjust key: the bridge's answers to the container's updates need them. */
  readonly kept?: Readonly<Record<string, string>> | undefined;
}

/** The call of the runtime at which a create runs: `create` at CreateContainer, `start` at StartContainer and RunPodSandbox. */
export type Phase = "create" | "start";
export const bothPhases: readonly Phase[] = ["create", "start"];

/** What caused a create. */
export interface CreateInfo {
  /** The phases whose plugins get this create; `start` alone when absent. */
  readonly phases?: readonly Phase[];
  readonly adopted?: boolean;
}

/**
 * `open`: the bridge owes the delete. `rerun`: an earlier bridge began the delete and did not see its end, so this one delivers it
 * again. `deleting`: the delete runs. `deleted`: the bridge has delivered the delete, successfully or not. A held sandbox passes
 * through all of these states, with `refused`.
 */
export type State = "open" | "rerun" | "deleting" | "deleted";

export interface LedgerEntry {
  readonly created: Created;
  readonly state: State;
}

interface Journal {
  /**
   * @param isLate the line may be written after the answer to the runtime: if a kill loses it, a second delete is the worst result
   */
  append(line: string, isLate?: boolean): void;
}

interface Recorded extends LedgerEntry {
  created: Created;
  state: State;
  /** The results of the create phase's plugins. */
  createResults: readonly Result[];
  /**
   * Set once the runtime removes the pod or container. `leaving`: the process still runs, and the entry stays until it has ended.
   * `due`: the ledger drops the entry at the end of the delete.
   */
  removal?: "leaving" | "due";
}

/**
 * The pods and containers to which the bridge owes a delete. Each create that the bridge attempted gets one delete, and nothing
 * else gets one. `takeDelete` gives the right to deliver it, once in this process; the next bridge delivers a delete again that a
 * kill has cut short. An entry stays until the runtime removes its pod or container, for events that come after the delete.
 *
 * The journal gets every change before the bridge runs a plugin for it.
 */
export class Ledger {
  /**
   * By id, the creates that the bridge has yet to record, because no plugin runs for them, or because the runtime listed the pod or
   * container as running before the bridge. The bridge records each when its turn comes or an event names it. The ledger may also
   * have an entry of an earlier phase or life of the id.
   */
  readonly deferred = new Map<string, { readonly target: Target; readonly info: CreateInfo }>();
  private readonly entries = new Map<string, Recorded>();
  /** The container ids of each pod, so that an event need not search the entries of all pods on the node. */
  private readonly containerIds = new Map<string, Set<string>>();
  /** The ids removed last: the runtime sends StopContainer in parallel with other events, so it may arrive after the removal. */
  private readonly removed: string[] = [];
  private journal: Journal | undefined;
  /** The ids dropped before the journal has been read: `adopt` ignores the journal's entries for them. */
  private dropped: Set<string> | undefined;

  /** Writes each change to this journal from now on; without a journal, nothing outlives the bridge's process. */
  attach(journal: Journal): void {
    this.journal = journal;
    this.dropped = new Set();
  }

  /**
   * Takes over the entries of an earlier bridge, but for ids that this ledger has or has dropped. Returns whether any entry is new.
   */
  adopt(entries: readonly LedgerEntry[]): boolean {
    const unknown = entries.filter(({ created: { id } }) => !this.entries.has(id) && !this.dropped?.has(id));
    this.dropped = undefined;
    for (const { created, state } of unknown) this.put({ created, state, createResults: [] });
    return unknown.length > 0;
  }

  /** The lines of the shortest journal with the same content as this ledger; each is formatted only when the caller asks for it. */
  *lines(): Generator<string, void, undefined> {
    for (const recorded of this.entries.values()) yield linesOf(recorded);
  }

  /** Records a create before its chain runs, so that a failed one gets its delete too. */
  record(create: Omit<Created, "phases" | "adopted" | "refused">, info: CreateInfo = {}): Created {
    const { phases = ["start"], adopted = false } = info;
    const before = this.entries.get(create.id);
    // A create after the delete begins a new life of the id: the new entry takes over nothing from before.
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

  /** Whether the bridge attempted a create of this id, the runtime listed it, or it was removed a moment ago. */
  knows(id: string): boolean {
    return this.entries.has(id) || this.deferred.has(id) || this.removed.includes(id);
  }

  /** Whether the bridge attempted a create of this id, handles its events, and has not begun the delete in this process. */
  isOpen(id: string): boolean {
    const recorded = this.entries.get(id);
    return recorded !== undefined && owesDelete(recorded);
  }

  /** Whether the delete of this id runs now. */
  isDeleting(id: string): boolean {
    return this.entries.get(id)?.state === "deleting";
  }

  /** Whether this id is a held sandbox. */
  isRefused(id: string): boolean {
    return this.get(id)?.refused === true;
  }

  /**
   * Notes that a create of the sandbox has failed and the bridge cannot tell the runtime, so that it owes the delete at once; or,
   * with false, that a create has succeeded.
   */
  setRefused(id: string, refused: boolean): void {
    const recorded = this.entries.get(id);
    if (recorded === undefined || this.isRefused(id) === refused) return;
    const { refused: _, ...created } = recorded.created;
    recorded.created = refused ? { ...created, refused } : created;
    this.journal?.append(linesOf(recorded));
  }

  /**
   * Begins the delete of an id. Returns the create whose delete the caller has to deliver; undefined when there was no create, the
   * delete was taken before, or the bridge does not handle the id's events.
   */
  takeDelete(id: string): Created | undefined {
    const recorded = this.entries.get(id);
    if (recorded === undefined || !owesDelete(recorded)) return undefined;
    const begun = recorded.state === "rerun";
    recorded.state = "deleting";
    if (!begun) this.journal?.append(stepLine(recorded));
    return recorded.created;
  }

  /** Notes that no plugin is to get the delete, so that the bridge owes it no more. */
  skipDelete(id: string): void {
    const recorded = this.entries.get(id);
    if (recorded !== undefined && owesDelete(recorded)) this.settle(recorded);
  }

  /** Notes that the delete from `takeDelete` has been delivered, successfully or not: it never runs again. */
  endDelete(id: string): void {
    const recorded = this.entries.get(id);
    if (recorded?.state === "deleting") this.settle(recorded);
  }

  private settle(recorded: Recorded): void {
    recorded.state = "deleted";
    this.journal?.append(stepLine(recorded), true);
    if (recorded.removal === "due") this.drop(recorded.created);
  }

  /**
   * Notes that the runtime removes the pod or container while its process still runs. Returns whether this is new, since the
   * runtime may try a removal again and again.
   */
  noteLeaving(id: string): boolean {
    const recorded = this.entries.get(id);
    if (recorded === undefined || recorded.removal !== undefined) return false;
    recorded.removal = "leaving";
    return true;
  }

  /**
   * Forgets an id whose pod or container the runtime has removed; while the delete is owed or runs, only when the delete has ended.
   */
  forget(id: string): void {
    // 1,000 is more than a runtime removes while one StopContainer is on its way.
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

  /** The results of the create phase's plugins, which the requests of the start phase contain. Kept in memory only. */
  createResultsOf(id: string): readonly Result[] {
    return this.entries.get(id)?.createResults ?? [];
  }

  keepCreateResults(id: string, results: readonly Result[]): void {
    const recorded = this.entries.get(id);
    if (recorded !== undefined) recorded.createResults = results;
  }

  /** Adds resources to those that the bridge keeps for its answers to the container's updates. */
  keep(id: string, kept: Created["kept"]): void {
    const recorded = this.entries.get(id);
    if (recorded === undefined || kept === undefined) return;
    recorded.created = { ...recorded.created, kept: { ...recorded.created.kept, ...kept } };
    this.journal?.append(linesOf(recorded));
  }

  /** All entries, in the order of their creates. */
  all(): LedgerEntry[] {
    return [...this.entries.values()];
  }

  /** The ids of a pod's containers, recorded or deferred. */
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

  /**
   * The number of pods and containers that ran before the bridge, so that no plugin got their create, and whose delete is still
   * owed.
   */
  get adopted(): number {
    return this.all().filter((entry) => entry.created.adopted && entry.created.served && owesDelete(entry)).length;
  }
}

function isWaiting({ state }: LedgerEntry): boolean {
  return state === "open" || state === "rerun";
}

/** Whether the bridge attempted the create, handles the events, and has not begun the delete in this process. */
export function owesDelete(entry: LedgerEntry): boolean {
  return isWaiting(entry) && entry.created.served;
}

function linesOf(entry: LedgerEntry): string {
  return formatCreate(entry.created) + (entry.state === "open" ? "" : stepLine(entry));
}

function stepLine({ state, created }: LedgerEntry): string {
  return formatStep(state === "deleted" ? "delete-done" : "delete-begun", created.id);
}
