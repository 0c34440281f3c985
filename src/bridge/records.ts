import type { Liveness } from "../host/proc.js";
import type { Created, CreateInfo } from "../ledger/ledger.js";
import type { Target } from "../v01/to-v01.js";
import type { BridgeParts } from "./lifecycle.js";
import type { SpecOf } from "./spec-source.js";

/** The facts about a pod or container that the ledger records with its create. */
type About = Omit<Created, "phases" | "adopted" | "served" | "process" | "refused">;

export function aboutOf(target: Target, specOf: SpecOf, parent?: number): About {
  const { kind, id, sandboxID, pid, pod, container } = target;
  return {
    ...{ kind, id, sandboxID, pid, spec: specOf(target, parent), pod: `${pod.namespace}/${pod.name}` },
    ...(container === undefined ? {} : { container: container.name }),
  };
}

/** Records creates in the ledger: at once, after the answer has left, or between events. */
export class Records {
  constructor(private readonly parts: BridgeParts) {}

  /** Whether the bridge handles the events of this pod or container; a containerd may serve sandboxes itself. */
  serves({ kind, pod }: Target): boolean {
    return kind === "container" || this.parts.servesSandbox("create", pod);
  }

  /** Records a create now. */
  record(target: Target, info: CreateInfo): Created {
    const { background, ledger, processes, specOf } = this.parts;
    const { identity: process, parent } = processes.identify(target) ?? {};
    const about = { ...aboutOf(target, specOf, parent), served: this.serves(target) };
    const created = ledger.record({ ...about, ...(process === undefined ? {} : { process }) }, info);
    // A pod or container that is created again gets a new event for its delete.
    background.waiting.delete(target.id);
    // The runtime sends an event when a container ends. It sends none when a pause process dies, or when one outlives a restart of
    // the runtime, so the bridge watches these processes.
    if (target.kind === "sandbox") processes.watch(created);
    return created;
  }

  /** Records a create that no plugin runs for, after the answer has left; the record is needed for the delete. */
  recordAfterReply(target: Target, info: CreateInfo): void {
    this.parts.ledger.deferred.set(target.id, { target, info });
    setImmediate(() => this.recordDeferred(target.id));
  }

  /** Records a deferred create now, if there is one. */
  recordDeferred(id: string): void {
    const { deferred } = this.parts.ledger;
    const pending = deferred.get(id);
    deferred.delete(id);
    if (pending !== undefined) this.record(pending.target, pending.info);
  }

  /** Notes a pod or container that ran before the bridge, to be recorded later. */
  adoptLater(target: Target): void {
    this.parts.ledger.deferred.set(target.id, { target, info: { adopted: true } });
  }

  /** Whether this pod or container ran before the bridge and is not recorded yet: no event of it has come since. */
  awaitsAdoption(id: string): boolean {
    return this.parts.ledger.deferred.get(id)?.info.adopted === true;
  }

  /** Records the deferred creates now, except those that ran before the bridge and are still in the runtime's list. */
  recordAll(listed: readonly Target[] = []): void {
    const known = new Set(listed.map(({ id }) => id));
    for (const id of this.parts.ledger.deferred.keys()) {
      if (!this.awaitsAdoption(id) || !known.has(id)) this.recordDeferred(id);
    }
  }

  /**
   * Records the deferred pods and containers that ran before the bridge as created: they get no create, but a delete. Other events
   * can run between two records.
   */
  async adoptListed(): Promise<void> {
    for (const id of [...this.parts.ledger.deferred.keys()]) {
      this.recordDeferred(id);
      await new Promise((nextTurn) => setImmediate(nextTurn));
    }
  }

  /** Whether the recorded process of this pod or container is alive; "unknown" when no process is recorded. */
  livenessOf(id: string): Liveness {
    const process = this.parts.ledger.get(id)?.process;
    return process === undefined ? "unknown" : this.parts.host.liveness(process);
  }

  /** The containers of a pod whose delete the bridge still owes, without `except`. */
  openContainersOf(sandboxID: string, except?: string): string[] {
    const { ledger } = this.parts;
    const containers = ledger.containersOf(sandboxID).filter((id) => id !== except);
    for (const id of containers) this.recordDeferred(id);
    return containers.filter((id) => ledger.isOpen(id));
  }
}
