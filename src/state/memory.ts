import type { ProcessIdentity } from "../host/proc.js";
import type { Created } from "../translate/to-v01.js";
import type { Result } from "../v01/types.js";
import { type Journal, noJournal, type Recovered } from "./journal.js";

/** A pod sandbox or container for which a create was attempted. */
export interface Attempted extends Created {
  readonly kind: "sandbox" | "container";
  /** namespace/name of the pod, for the log. */
  readonly pod: string;
  /** The container's name, for the log; absent for a sandbox. */
  readonly container?: string;
}

/** Where creates run: `create` at CreateContainer, `start` at StartContainer and RunPodSandbox. */
export type Phase = "create" | "start";

/** How a create came about. */
export interface Circumstances {
  /** Which phase's create this is; `start` when not said. */
  readonly phase?: Phase;
  /** It ran before us and counts as created, in both phases. */
  readonly adopted?: boolean;
  /** Whether its events are the bridge's business: a containerd that runs v0.1 plugins for sandboxes serves them itself. */
  readonly served?: boolean;
  /** Its process, where that could be told. */
  readonly process?: ProcessIdentity;
}

/** All that is kept of an attempted create. */
export interface Remembered extends Attempted {
  readonly phases: readonly Phase[];
  readonly adopted: boolean;
  readonly served: boolean;
  readonly process?: ProcessIdentity;
}

/**
 * How far the delete is. `rerun`: an earlier bridge began it and did not see its end, so it is delivered again.
 */
export type Stage = "open" | "rerun" | "deleting" | "deleted";

interface Entry {
  readonly remembered: Remembered;
  stage: Stage;
  createResults: readonly Result[];
  /** Its pod or container is removed: it is forgotten with the end of its delete. */
  removed?: boolean;
}

/**
 * What create was attempted for. Each entry gets one delete and nothing else does: `takeDelete` gives the right to deliver
 * it, once in this process: what a kill cuts short is the next bridge's to deliver again. An entry stays until its pod or
 * container is removed, for the events that come after the delete.
 *
 * Every change goes to the journal before anything is run for it.
 */
export class Memory {
  /** In the order of their creates. */
  private readonly entries = new Map<string, Entry>();
  /** The ids of each pod's containers: an event is not to look at all pods of the node. */
  private readonly containerIds = new Map<string, Set<string>>();
  private journal: Journal = noJournal;

  /** @param most beyond so many entries the oldest whose delete was delivered is forgotten; far more than a node has */
  constructor(private readonly most = 50_000) {}

  /** Takes what an earlier bridge left, and writes to its journal from now on. What is known here already stays. */
  attach(journal: Journal, recovered: readonly Recovered[] = []): void {
    const known = [...this.entries.values()];
    this.journal = journal;
    for (const { remembered, stage } of recovered) {
      if (!this.entries.has(remembered.id)) this.put({ remembered, stage, createResults: [] });
    }
    for (const { remembered, stage } of known) {
      journal.begin(remembered);
      if (stage === "deleting" || stage === "rerun") journal.deleteBegun(remembered.id);
      if (stage === "deleted") journal.deleteDone(remembered.id);
    }
  }

  /** Remembers a create before its chain runs, so that a failed one gets its delete too. */
  remember(attempted: Attempted, circumstances: Circumstances = {}): Remembered {
    const { phase = "start", adopted = false, process } = circumstances;
    const before = this.entries.get(attempted.id);
    // A create after the delete begins a new life.
    const same = before !== undefined && isWaiting(before.stage) ? before : undefined;
    const identity = process ?? (same?.remembered.pid === attempted.pid ? same.remembered.process : undefined);
    const remembered: Remembered = {
      ...attempted,
      phases: adopted ? ["create", "start"] : [...new Set([...(same?.remembered.phases ?? []), phase])],
      adopted,
      served: circumstances.served ?? same?.remembered.served ?? true,
      ...(identity === undefined ? {} : { process: identity }),
    };
    const createResults = same?.createResults ?? [];
    this.put({ remembered, stage: "open", createResults });
    this.journal.begin(remembered);
    return remembered;
  }

  get(id: string): Remembered | undefined {
    return this.entries.get(id)?.remembered;
  }

  /** How far the delete of what is remembered is. */
  stageOf(id: string): Stage | undefined {
    return this.entries.get(id)?.stage;
  }

  /** Whether a create was attempted and no delete delivered. */
  isOpen(id: string): boolean {
    const entry = this.entries.get(id);
    return entry !== undefined && owesDelete(entry);
  }

  /** What to deliver the delete of; undefined when there was no create, its delete was taken, or it is not ours. */
  takeDelete(id: string): Remembered | undefined {
    const entry = this.entries.get(id);
    if (entry === undefined || !owesDelete(entry)) return undefined;
    entry.stage = "deleting";
    this.journal.deleteBegun(id);
    return entry.remembered;
  }

  /** The delete has nobody to be delivered to. */
  skipDelete(id: string): void {
    const entry = this.entries.get(id);
    if (entry === undefined || !owesDelete(entry)) return;
    this.settle(id, entry);
  }

  /** The delete that was taken has been delivered, well or not: it never runs again. */
  endDelete(id: string): void {
    const entry = this.entries.get(id);
    if (entry?.stage === "deleting") this.settle(id, entry);
  }

  /** Its pod or container is removed. One whose delete is still owed or runs is forgotten when that has ended. */
  forget(id: string): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    if (owesDelete(entry) || entry.stage === "deleting") entry.removed = true;
    else this.drop(id);
  }

  private settle(id: string, entry: Entry): void {
    entry.stage = "deleted";
    this.journal.deleteDone(id);
    if (entry.removed) this.drop(id);
  }

  private drop(id: string): void {
    this.unlist(id);
    this.entries.delete(id);
    this.journal.forget(id);
  }

  private put(entry: Entry): void {
    const { id, sandboxID, kind } = entry.remembered;
    this.unlist(id);
    this.entries.set(id, entry);
    if (this.entries.size > this.most) this.forgetOldest();
    if (kind !== "container") return;
    const ids = this.containerIds.get(sandboxID) ?? new Set();
    this.containerIds.set(sandboxID, ids.add(id));
  }

  private forgetOldest(): void {
    for (const [id, { stage }] of this.entries) {
      if (stage !== "deleted") continue;
      this.drop(id);
      return;
    }
  }

  private unlist(id: string): void {
    const sandboxID = this.entries.get(id)?.remembered.sandboxID ?? "";
    const ids = this.containerIds.get(sandboxID);
    if (ids?.delete(id) && ids.size === 0) this.containerIds.delete(sandboxID);
  }

  /** What the plugins of the create phase answered: the start phase's requests show it. Kept in memory only. */
  createResultsOf(id: string): readonly Result[] {
    return this.entries.get(id)?.createResults ?? [];
  }

  keepCreateResults(id: string, results: readonly Result[]): void {
    const entry = this.entries.get(id);
    if (entry !== undefined) entry.createResults = results;
  }

  /** Everything that still waits for its delete, containers before their sandboxes. */
  open(): Remembered[] {
    const open = [...this.entries.values()].filter(owesDelete).map((entry) => entry.remembered);
    return open.toSorted((a, b) => Number(a.kind === "sandbox") - Number(b.kind === "sandbox"));
  }

  /** Everything whose delete was delivered, and what is not ours. */
  settled(): Remembered[] {
    return [...this.entries.values()].flatMap((entry) =>
      entry.stage === "deleted" || !entry.remembered.served ? [entry.remembered] : [],
    );
  }

  /** Everything remembered of a pod's containers. */
  containersOf(sandboxID: string): Remembered[] {
    return [...(this.containerIds.get(sandboxID) ?? [])].flatMap((id) => this.get(id) ?? []);
  }

  get size(): number {
    return this.entries.size;
  }
}

function isWaiting(stage: Stage): boolean {
  return stage === "open" || stage === "rerun";
}

function owesDelete({ stage, remembered }: Entry): boolean {
  return isWaiting(stage) && remembered.served;
}
