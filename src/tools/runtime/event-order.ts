import type { EventName } from "../../nri/events.js";
import { does } from "../../nri/versions.js";

interface Event {
  readonly name: EventName;
  readonly pod: { readonly id: string };
  readonly container?: { readonly id: string } | undefined;
}

/** Which events of a life a runtime sends once something in it has failed or ended. */
export class EventOrder {
  private readonly refused = new Set<string>();
  private readonly stopped = new Set<string>();

  constructor(private readonly runtime: { readonly name: string; readonly version: string }) {}

  /**
   * The answer to an event was an error: StopPodSandbox and RemovePodSandbox undo a failed RunPodSandbox, StopContainer and
   * RemoveContainer a failed container, where the runtime undoes it. Other failures are only logged.
   */
  failed({ name, pod, container }: Event): void {
    if (name === "RunPodSandbox") this.refused.add(pod.id);
    const ends = name === "CreateContainer" || (name === "StartContainer" && does(this.runtime, "refusesStarts"));
    if (ends && container !== undefined) this.refused.add(container.id);
  }

  /** A pod was stopped, or its pause process was killed from outside. */
  ended(podId: string): void {
    this.stopped.add(podId);
  }

  /** Whether the runtime sends this event of the life that was planned. */
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
