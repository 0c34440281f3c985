import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import type { Host, OwnProcess, ProcessQuery } from "../host/host.js";
import type { Created } from "./ledger.js";

interface ProcessesOptions {
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
  private readonly warnOnce: (fields: object, sentence: string) => void;
  /** The runtime's pids were found to mean the same here: a process stays in its pid namespace. */
  private sharesPids = false;

  constructor(private readonly options: ProcessesOptions) {
    this.warnOnce = sayOnce((fields, sentence) => options.log.warn(fields, sentence));
  }

  /** The process of a pod or container, to be remembered with its create; undefined when it cannot be told for sure. */
  identify(query: ProcessQuery): OwnProcess | undefined {
    if (query.pid <= 0) return undefined;
    const { host, peer } = this.options;
    const shares = this.sharesPids ? undefined : host.sharesPidNamespace(peer(), query.pid);
    if (shares !== undefined && shares.answer !== "yes") {
      const sentence =
        "the bridge is not in the runtime's pid namespace: plugins get the delete of a pod whose processes die only when the runtime reports it";
      this.warnOnce({ reason: shares.reason }, sentence);
      return undefined;
    }
    const claim = host.claim(query);
    if (claim.confirmed) {
      this.sharesPids = true;
      return claim;
    }
    const fields = { id: query.id, pid: query.pid, reason: claim.reason };
    this.warnOnce(fields, "cannot verify that this process belongs to the pod; not watching it");
    return undefined;
  }

  /**
   * Watches the process that was remembered. One that is gone already is told of at once; one that cannot be known
   * from here, as in another pid namespace than at its create, is not watched.
   */
  watch({ id, process, served }: Created): void {
    if (process === undefined || !served || this.watched.has(id)) return;
    const { host, onGone } = this.options;
    if (host.liveness(process) === "unknown") return;
    const stop = host.watcher.watch(process, () => {
      this.watched.delete(id);
      onGone(id);
    });
    this.watched.set(id, stop);
  }

  close(): void {
    for (const stop of this.watched.values()) stop();
    this.watched.clear();
  }
}
