import { synchronizeRequest } from "../nri/codec.js";
import type { Snapshot } from "../nri/runtime.js";
import type { Case } from "./case.js";

/** What was there when the case began: what its runtime said, where the case begins with a Synchronize call. */
export function presentAtFirst({ events: [first] }: Pick<Case, "events">): Snapshot {
  if (first?.method !== "Synchronize") return { pods: [], containers: [] };
  const { pods, containers } = synchronizeRequest.decode(first.payload);
  return { pods, containers };
}
