import type { EventName, NriEvent } from "../../../src/nri/events.js";
import { type EventResponse, noRequest } from "../../../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../../../src/nri/handlers.js";

export type Listener = (event: NriEvent, call: CallContext) => Promise<Partial<EventResponse> | undefined>;

/** Handlers that take these events; the answer to all others asks for nothing. */
export function on(listeners: Partial<Record<EventName, Listener>>): Pick<PluginHandlers, "handle"> {
  return { handle: async (event, call) => ({ ...noRequest, ...(await listeners[event.name]?.(event, call)) }) };
}
