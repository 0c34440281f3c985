import type { Log } from "../base/logger.js";
import type { Host, OwnProcess, ProcessQuery } from "../host/host.js";
import type { Answer } from "../host/proc.js";
import type { Created } from "./ledger.js";

export interface ProcessesOptions {
  readonly host: Host;
  /** The runtime's process, where it is known; see host/peer.ts. */
  readonly peer: () => number | undefined;
  readonly log: Log;
  /** A watched process has ended: the delete is due, unless an event brings it at the same time. */
  readonly onGone: (id: string) => void;
}

/**
 * The processes of pods and containers: who they are, and when they end. A pause process that dies, and a pod that has
 * outlived a restart of the runtime, get no StopPodSandbox.
 *
 * Nothing is believed of a pid but where it means the same here as to the runtime, and its process's cgroup or bundle
 * names the pod or container.
 */
export class Processes {
  private readonly watched = new Map<string, () => void>();
  private readonly told = new Set<string>();
  /** The runtime's process, where it is known, whose pids were found to mean the same here. */
  private sharing: { readonly peer: number | undefined } | undefined;

  constructor(private readonly options: ProcessesOptions) {}

  /** The process of a pod or container, to be remembered with its create; undefined when it cannot be told for sure. */
  identify(query: ProcessQuery): OwnProcess | undefined {
    if (query.pid <= 0) return undefined;
    const { host, peer } = this.options;
    const { answer, reason } = this.sharesPidNamespace(query.pid);
    if (answer !== "yes") {
      this.tellOnce(
        { reason },
        "the bridge is not in the runtime's pid namespace: a pod whose processes die is deleted only when the runtime says so",
      );
      return undefined;
    }
    const claim = host.claim(query);
    if (claim.confirmed) {
      this.sharing = { peer: peer() };
      return claim;
    }
    const { id, pid } = query;
    this.tellOnce({ id, pid, reason: claim.reason }, "a process cannot be told to be its pod's, so it is not watched");
    return undefined;
  }

  /**
   * Watches the process that was remembered. One that is gone already is told of at once; one that cannot be known
   * from here, as in another pid namespace than at its create, is not watched.
   */
  watch({ id, process, served }: Created): void {
    if (process === undefined || !served) return;
    const { host, onGone } = this.options;
    this.unwatch(id);
    if (host.liveness(process) === "unknown") return;
    const stop = host.watcher.watch(process, () => {
      this.watched.delete(id);
      onGone(id);
    });
    this.watched.set(id, stop);
  }

  /** Stops watching: the delete is on its way. */
  unwatch(id: string): void {
    this.watched.get(id)?.();
    this.watched.delete(id);
  }

  close(): void {
    for (const id of [...this.watched.keys()]) this.unwatch(id);
  }

  /** A process stays in its pid namespace, so it is asked until the first process of a runtime is confirmed. */
  private sharesPidNamespace(named: number): Answer {
    const { host, peer } = this.options;
    const runtime = peer();
    if (this.sharing !== undefined && runtime === this.sharing.peer) return { answer: "yes", reason: "" };
    return host.sharesPidNamespace(runtime, named);
  }

  /** How many are watched. */
  get size(): number {
    return this.watched.size;
  }

  private tellOnce(fields: object, sentence: string): void {
    if (this.told.has(sentence)) return;
    this.told.add(sentence);
    this.options.log.warn(fields, sentence);
  }
}
