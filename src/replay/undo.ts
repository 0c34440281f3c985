import type { NriEvent } from "../nri/events.js";

/** Which recorded events a runtime would not have sent, because an answer failed what it was doing. */
export interface Undo {
  /** The answer to this event was an error. */
  failed(event: NriEvent): void;
  /** Whether the event belongs to something that was undone; the undo itself is sent. */
  skips(event: NriEvent): boolean;
}

/**
 * What containerd does when a plugin fails an event: a failed RunPodSandbox is undone by StopPodSandbox and
 * RemovePodSandbox, a failed CreateContainer or StartContainer by StopContainer and RemoveContainer, and nothing else of
 * that pod or container happens. Other failures it only logs.
 */
export function createUndo(): Undo {
  const pods = new Set<string>();
  const containers = new Set<string>();
  return {
    failed(event) {
      if (event.name === "RunPodSandbox") pods.add(event.pod.id);
      if (event.name === "CreateContainer" || event.name === "StartContainer") containers.add(event.container.id);
    },
    skips(event) {
      if ("container" in event) {
        if (pods.has(event.pod.id)) return true;
        return containers.has(event.container.id) && event.name !== "StopContainer" && event.name !== "RemoveContainer";
      }
      return pods.has(event.pod.id) && event.name !== "StopPodSandbox" && event.name !== "RemovePodSandbox";
    },
  };
}
