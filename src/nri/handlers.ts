import type { EventName, EventResponse, NriEvent } from "./events.js";
import type { Call } from "./ttrpc/server.js";
import type { ConfigureRequest, Container, ContainerUpdate, PodSandbox } from "./types.js";
import type { NriVersion } from "./versions.js";

/** The runtime that the bridge is connected to, as described by the runtime's Configure request. */
export interface RuntimeInfo {
  /** The name that the runtime gives itself: "containerd", "cri-o" or any other text. */
  readonly name: string;
  readonly version: string;
  readonly nri: NriVersion;
  /** How long the runtime waits for an answer, in milliseconds; Infinity when the runtime stated no timeout. */
  readonly requestTimeoutMs: number;
  /** The path of the runtime's NRI socket; absent when the runtime launched the bridge. */
  readonly socketPath?: string;
}

/**
 * The facts about a call besides its decoded content. `method` and `payload` are the received ones, for a recorder. The bridge
 * cancels `cancellation` when the connection ends, or when it answers without the handler as time runs out.
 */
export interface CallContext extends Omit<Call, "service"> {
  readonly event: EventName | "Synchronize";
  readonly runtime: RuntimeInfo;
  /**
   * How long the call took, in milliseconds, if the bridge sent an empty answer before it decoded the event (see asksNothing);
   * absent for every other call.
   */
  readonly answeredInMs?: number;
}

/** The handlers of an NRI plugin for the calls of the runtime. */
export interface PluginHandlers {
  /** Whether the decoder may leave out the fields that v0.1 requests do not use, to be faster; see MessageCodec. */
  sparing?(): boolean;
  /** Returns the events to subscribe to. Events that this runtime does not know are not subscribed to. */
  configure(request: ConfigureRequest, runtime: RuntimeInfo): Iterable<EventName> | Promise<Iterable<EventName>>;
  /** Receives all pods and containers of the runtime, once per registration; a container's pod may be missing. */
  synchronize?(
    pods: readonly PodSandbox[],
    containers: readonly Container[],
    context: CallContext,
  ): Promise<readonly ContainerUpdate[]>;
  /** Called when the answer to Synchronize has been sent. From now on the runtime sends events. */
  synchronized?(runtime: RuntimeInfo): void;
  /**
   * Whether the answer to this event is empty, whatever the event contains, and need not wait for running work. The bridge then
   * sends the answer before it decodes the event, and calls `handle` afterwards, with `answeredInMs` set.
   */
  asksNothing?(event: EventName): boolean;
  /** Handles an event. An error becomes the answer to the call; for most events the runtime's operation then fails. */
  handle?(event: NriEvent, call: CallContext): Promise<EventResponse>;
}
