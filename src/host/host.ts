import type { Answer } from "./answer.js";
import type { Liveness, ProcessIdentity } from "./process-identity.js";
import type { ProcessClaim, ProcessQuery } from "./process-owner.js";
import type { ProcessWatcher } from "./process-watcher.js";

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
  /**
   * The bundle of a pod or container; the caller still has to check that its cgroupsPath is the event's.
   * @param parent of the process, where it is known already
   */
  readBundles(query: BundleQuery, parent?: number): Iterable<BundleAnswer>;
  /** The process that has this pid now, whoever's it is. */
  identify(pid: number): ProcessIdentity;
  /** The same, but only if it is the pod's or container's own. */
  claim(query: ProcessQuery): ProcessClaim;
  liveness(identity: ProcessIdentity): Liveness;
  /** Whether the pids that the runtime names mean the same processes here; see pid-namespace.ts. */
  sharesPidNamespace(peer: number | undefined, named: number): Answer;
  readonly watcher: ProcessWatcher;
}
