import type { EventName, EventResponse, NriEvent } from "./events.js";
import type { Call } from "./ttrpc/server.js";
import type { ConfigureRequest, Container, ContainerUpdate, PodSandbox } from "./types.js";
import type { NriVersion } from "./versions.js";

/** The runtime that we are connected to, as its Configure request tells. */
export interface RuntimeInfo {
  /** "containerd", "cri-o"; whatever it calls itself. */
  readonly name: string;
  readonly version: string;
  readonly nri: NriVersion;
  /** How long it waits for an answer, in milliseconds; Infinity when it never said. */
  readonly requestTimeoutMs: number;
  /** Absent when the runtime launched us. */
  readonly socketPath?: string;
}

/**
 * The facts about a call beside its content; method and payload are as they came, for a recorder. It is cancelled
 * when the connection ends, or when the answer was given without the handler because time ran out.
 */
export interface CallContext extends Omit<Call, "service"> {
  readonly event: EventName | "Synchronize";
  readonly runtime: RuntimeInfo;
  /** Its duration in milliseconds, where it was answered with nothing before it was read (see asksNothing). */
  readonly answeredInMs?: number;
}

/** The handlers of a plugin. */
export interface PluginHandlers {
  /** Whether events may come without what no v0.1 request is made of; see MessageCodec. They are decoded faster then. */
  sparing?(): boolean;
  /** Gives the events that the plugin wants of this runtime; those that it does not know are left out. */
  configure(request: ConfigureRequest, runtime: RuntimeInfo): Iterable<EventName> | Promise<Iterable<EventName>>;
  /** All pods and containers of the runtime, once after each registration; a container may belong to no pod. */
  synchronize?(
    pods: readonly PodSandbox[],
    containers: readonly Container[],
    context: CallContext,
  ): Promise<readonly ContainerUpdate[]>;
  /** The answer to Synchronize is sent: from now on events come. */
  synchronized?(runtime: RuntimeInfo): void;
  /**
   * Whether an event is answered with nothing, whatever it says, and nothing that runs has to end before. The answer leaves
   * before the event is read then, and `handle` takes it afterwards, with `answeredInMs`.
   */
  asksNothing?(event: EventName): boolean;
  /** Takes an event. An error is the call's answer, which fails most of what a runtime does. */
  handle?(event: NriEvent, call: CallContext): Promise<EventResponse>;
}
