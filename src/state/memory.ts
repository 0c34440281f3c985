import type { Created } from "../translate/to-v01.js";

/** A pod sandbox or container for which a create was attempted. */
export interface Attempted extends Created {
  readonly kind: "sandbox" | "container";
  /** namespace/name of the pod, for the log. */
  readonly pod: string;
  /** The container's name, for the log; absent for a sandbox. */
  readonly container?: string;
}

interface Entry {
  readonly attempted: Attempted;
  deleted: boolean;
}

/**
 * What create was attempted for. Each entry gets one delete and nothing else does: `takeDelete` gives the right to deliver
 * it, once. An entry stays until its pod or container is removed, for the events that come after the delete.
 */
export class Memory {
  private readonly entries = new Map<string, Entry>();

  /** Remembers a create before its chain runs, so that a failed one gets its delete too. */
  remember(attempted: Attempted): void {
    this.entries.set(attempted.id, { attempted, deleted: false });
  }

  get(id: string): Attempted | undefined {
    return this.entries.get(id)?.attempted;
  }

  /** Whether a create was attempted and no delete delivered. */
  isOpen(id: string): boolean {
    return this.entries.get(id)?.deleted === false;
  }

  /** What to deliver the delete of; undefined when there was no create, or its delete was taken before. */
  takeDelete(id: string): Attempted | undefined {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.deleted) return undefined;
    entry.deleted = true;
    return entry.attempted;
  }

  forget(id: string): void {
    this.entries.delete(id);
  }

  /** Everything that still waits for its delete, containers before their sandboxes. */
  open(): Attempted[] {
    const open = [...this.entries.values()].filter((entry) => !entry.deleted).map((entry) => entry.attempted);
    return open.toSorted((a, b) => Number(a.kind === "sandbox") - Number(b.kind === "sandbox"));
  }

  /** Everything remembered of a pod's containers. */
  containersOf(sandboxID: string): Attempted[] {
    return [...this.entries.values()]
      .map((entry) => entry.attempted)
      .filter((attempted) => attempted.kind === "container" && attempted.sandboxID === sandboxID);
  }

  get size(): number {
    return this.entries.size;
  }
}
