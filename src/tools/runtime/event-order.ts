import type { EventName } from "../../nri/events.js";
import { does } from "../../nri/versions.js";

interface Event {
  readonly name: EventName;
  readonly pod: { readonly id: string };
  readonly container?: { readonly id: string } | undefined;
}

/** Decides which events of a pod's or container's life a runtime still sends after one failed, or the pod stopped. */
export class EventOrder {
  private readonly refused = new Set<string>();
  private readonly stopped = new Set<string>();

  constructor(private readonly runtime: { readonly name: string; readonly version: string }) {}

  /**
   * Notes that the answer to an event was an error. After a failed RunPodSandbox the runtime sends only StopPodSandbox and
   * RemovePodSandbox. After a failed CreateContainer, or a failed StartContainer where the runtime refuses the start, it sends only
   * StopContainer and RemoveContainer, and only where it undoes failed creates. It only logs other failures.
   */
  failed({ name, pod, container }: Event): void {
    if (name === "RunPodSandbox") this.refused.add(pod.id);
    const ends = name === "CreateContainer" || (name === "StartContainer" && does(this.runtime, "refusesStarts"));
    if (ends && container !== undefined) this.refused.add(container.id);
  }

  /** Notes that the runtime stopped a pod, or that a process outside the runtime killed the pod's pause process. */
  ended(podId: string): void {
    this.stopped.add(podId);
  }

  /** Whether the runtime sends this event of the planned life. */
  sends({ name, pod, container }: Event): boolean {
    const { runtime, refused, stopped } = this;
    if (/^(Post)?UpdatePodSandbox$/.test(name) && !does(runtime, "updatesPods")) return false;
    if (container !== undefined) {
      if (refused.has(pod.id)) return false;
      const undo = does(runtime, "undoesCreates") && /^(Stop|Remove)Container$/.test(name);
      return !refused.has(container.id) || undo;
    }
    if (name === "StopPodSandbox" && stopped.has(pod.id)) return does(runtime, "stopsAgain");
    return !refused.has(pod.id) || /^(Stop|Remove)PodSandbox$/.test(name);
  }
}
