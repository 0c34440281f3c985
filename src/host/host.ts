/** Which pod or container a bundle is looked for. */
export interface BundleQuery {
  readonly kind: "sandbox" | "container";
  readonly id: string;
  /** Its process; 0 when there is none. */
  readonly pid: number;
  /** As the event has it: only a bundle that says the same is believed. */
  readonly cgroupsPath: string;
}

/** An OCI config.json that was found, or why there is none. */
export type BundleAnswer =
  | { readonly found: true; readonly path: string; readonly bytes: Uint8Array }
  | { readonly found: false; readonly reason: string };

/**
 * The seam to the node: everything that asks the machine about processes. The real side looks at /proc; the recorded side
 * answers from a recording, where pids are not alive or belong to strangers.
 */
export interface Host {
  readonly kind: "node" | "recorded";
  /** The bundle of a pod or container; the caller still has to check that its cgroupsPath is the event's. */
  readBundles(query: BundleQuery): readonly BundleAnswer[];
}
