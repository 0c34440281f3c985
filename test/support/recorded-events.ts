import { resolve } from "node:path";
import { type ContainerEvent, type ContainerEventName, decodeEvent } from "../../src/nri/events.js";
import { readCase } from "../../src/tools/replay/case.js";

/** What a recorded case says in its first event of a name. */
export function recordedEvents(name: string, wanted: ContainerEventName): ContainerEvent {
  for (const { method, payload } of readCase(resolve("fixtures/cases", name)).events) {
    const event = decodeEvent(method, payload);
    if (event?.name === wanted && "container" in event) return event;
  }
  throw new Error(`the case ${name} has no ${wanted}`);
}
