import type { Created } from "../translate/to-v01.js";

/** A pod sandbox or container for which a create was attempted, until its delete. */
export interface Attempted extends Created {
  readonly kind: "sandbox" | "container";
  /** For the log: namespace/name of the pod, and the container's name. */
  readonly pod: string;
  readonly container: string | undefined;
}

/**
 * What create was attempted for. Each entry gets one delete and nothing else does, so taking an entry out is the right to
 * deliver it.
 */
export class Memory {
  private readonly attempted = new Map<string, Attempted>();

  /** Remembers a create before its chain runs, so that a failed one gets its delete too. */
  remember(entry: Attempted): void {
    this.attempted.set(entry.id, entry);
  }

  get(id: string): Attempted | undefined {
    return this.attempted.get(id);
  }

  /** Takes an entry out; undefined when its create was never attempted or its delete was delivered. */
  take(id: string): Attempted | undefined {
    const entry = this.attempted.get(id);
    this.attempted.delete(id);
    return entry;
  }

  /** The containers of a sandbox that still wait for their delete. */
  containersOf(sandboxID: string): Attempted[] {
    return [...this.attempted.values()].filter((entry) => entry.kind === "container" && entry.sandboxID === sandboxID);
  }

  get size(): number {
    return this.attempted.size;
  }
}
