import type { Liveness } from "../host/proc.js";
import type { Created, CreateInfo } from "../ledger/ledger.js";
import type { Target } from "../v01/to-v01.js";
import type { BridgeParts } from "./lifecycle.js";
import type { SpecOf } from "./spec-source.js";

/** Facts about a pod or container that are recorded beside its create. */
type About = Omit<Created, "phases" | "adopted" | "served" | "process" | "refused">;

export function aboutOf(target: Target, specOf: SpecOf, parent?: number): About {
  const { kind, id, sandboxID, pid, pod, container } = target;
  return {
    ...{ kind, id, sandboxID, pid, spec: specOf(target, parent), pod: `${pod.namespace}/${pod.name}` },
    ...(container === undefined ? {} : { container: container.name }),
  };
}

/** Records creates in the ledger: at once, when the answer is on its way, or between events. */
export class Records {
  constructor(private readonly parts: BridgeParts) {}

  /** Whether the events of a pod or container are the bridge's business. */
  serves({ kind, pod }: Target): boolean {
    return kind === "container" || this.parts.servesSandbox("create", pod);
  }

  /** Records a create now. */
  record(target: Target, info: CreateInfo): Created {
    const { background, ledger, processes, specOf } = this.parts;
    const { identity: process, parent } = processes.identify(target) ?? {};
    const about = { ...aboutOf(target, specOf, parent), served: this.serves(target) };
    const created = ledger.record({ ...about, ...(process === undefined ? {} : { process }) }, info);
    // A pod or container that is created anew has an event to come.
    background.waiting.delete(target.id);
    // Containers that end have an event; a pause process that dies, or outlives a restart of the runtime, has none.
    if (target.kind === "sandbox") processes.watch(created);
    return created;
  }

  /** Records a create that no plugin runs for, for its delete, when the answer is on its way. */
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

  /** Notes what was running before us. */
  adoptLater(target: Target): void {
    this.parts.ledger.deferred.set(target.id, { target, info: { adopted: true } });
  }

  /** Whether what was running before us waits to be adopted: nothing has happened to it since then. */
  awaitsAdoption(id: string): boolean {
    return this.parts.ledger.deferred.get(id)?.info.adopted === true;
  }

  /** Records the deferred creates, now; what is still listed and was running before us can wait. */
  recordAll(listed: readonly Target[] = []): void {
    const known = new Set(listed.map(({ id }) => id));
    for (const id of this.parts.ledger.deferred.keys()) {
      if (!this.awaitsAdoption(id) || !known.has(id)) this.recordDeferred(id);
    }
  }

  /** Counts as created what was running before us: it gets no create, and its delete. That is done between events. */
  async adoptListed(): Promise<void> {
    for (const id of [...this.parts.ledger.deferred.keys()]) {
      this.recordDeferred(id);
      await new Promise((nextTurn) => setImmediate(nextTurn));
    }
  }

  /** Of the process that is remembered. */
  livenessOf(id: string): Liveness {
    const process = this.parts.ledger.get(id)?.process;
    return process === undefined ? "unknown" : this.parts.host.liveness(process);
  }

  /** The containers of a pod that still wait for their delete. */
  openContainersOf(sandboxID: string, except?: string): string[] {
    const { ledger } = this.parts;
    const containers = ledger.containersOf(sandboxID).filter((id) => id !== except);
    for (const id of containers) this.recordDeferred(id);
    return containers.filter((id) => ledger.isOpen(id));
  }
}
