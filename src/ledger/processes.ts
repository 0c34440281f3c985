import type { Log } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import type { Host, OwnProcess, ProcessQuery } from "../host/host.js";
import type { Created } from "./ledger.js";

interface ProcessesOptions {
  readonly host: Host;
  /** The pid of the runtime's process; undefined when it is unknown. See host/peer.ts. */
  readonly peer: () => number | undefined;
  readonly log: Log;
  /** Called when a watched process has ended: the bridge then owes the delete, unless an event brings it at the same time. */
  readonly onGone: (id: string) => void;
}

/**
 * Identifies the processes of pods and containers and watches for their ends. The runtime sends no StopPodSandbox when a pause
 * process dies, nor for a pod that has outlived a restart of the runtime.
 *
 * The bridge trusts a pid only if it is in the runtime's pid namespace, so that the pid means the same process to both, and if the
 * process's cgroup or bundle names the pod or container.
 */
export class Processes {
  private readonly watched = new Map<string, () => void>();
  private readonly warnOnce: (fields: object, sentence: string) => void;
  /**
   * Whether the bridge has found that it shares the runtime's pid namespace; this never changes, since a process cannot change its
   * own.
   */
  private sharesPids = false;

  constructor(private readonly options: ProcessesOptions) {
    this.warnOnce = sayOnce((fields, sentence) => options.log.warn(fields, sentence));
  }

  /** The process of a pod or container, to be recorded with its create; undefined when the bridge cannot identify it for sure. */
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
    this.warnOnce(fields, "the bridge cannot verify whose process this is, and does not watch it for an early delete");
    return undefined;
  }

  /**
   * Watches the recorded process. Calls `onGone` at once when the process is gone already. Does not watch a process whose state the
   * bridge cannot see, such as one recorded in another pid namespace.
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
