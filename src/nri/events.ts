import * as gen from "../gen/nri.js";
import {
  containerRequest,
  createContainerResponse,
  container as emptyableContainer,
  emptyResponse,
  type MessageCodec,
  podRequest,
  podSandbox,
  stateChangeRequest,
  stopContainerResponse,
  updateContainerRequest,
  updateContainerResponse,
  updatePodSandboxRequest,
} from "./codec.js";
import type {
  Container,
  ContainerAdjustment,
  ContainerEviction,
  ContainerUpdate,
  LinuxResources,
  PodSandbox,
} from "./types.js";
import { isAtLeast, type Version } from "./versions.js";

interface EventFacts {
  /** The event's number in the schema; the event's bit in a mask is `1 << (number - 1)`. */
  readonly number: number;
  readonly subject: "pod" | "container";
  /** The first NRI version that has the event. */
  readonly since: string;
  /** How a runtime before NRI 0.12 sends the event: by the call with the event's name, or by StateChange. */
  readonly call: "own" | "StateChange";
  /** The codec for the request of the call with the event's name. */
  readonly request: MessageCodec<EventRequest>;
  /** The codec for the answer; undefined where the answer is empty. */
  readonly response: MessageCodec<EventResponse> | undefined;
}

const usual = { since: "0.2.0", call: "StateChange", response: undefined } as const;
const ofPod = { ...usual, subject: "pod", request: podRequest } as const;
const ofContainer = { ...usual, subject: "container", request: containerRequest } as const;

/** The lifecycle events. Each has the name of the call by which runtimes send it since NRI 0.12. */
export const events = {
  RunPodSandbox: { ...ofPod, number: 1 },
  StopPodSandbox: { ...ofPod, number: 2 },
  RemovePodSandbox: { ...ofPod, number: 3 },
  CreateContainer: { ...ofContainer, number: 4, call: "own", response: createContainerResponse },
  PostCreateContainer: { ...ofContainer, number: 5 },
  StartContainer: { ...ofContainer, number: 6 },
  PostStartContainer: { ...ofContainer, number: 7 },
  UpdateContainer: {
    ...{ ...ofContainer, number: 8, call: "own" },
    ...{ request: updateContainerRequest, response: updateContainerResponse },
  },
  PostUpdateContainer: { ...ofContainer, number: 9 },
  StopContainer: { ...ofContainer, number: 10, call: "own", response: stopContainerResponse },
  RemoveContainer: { ...ofContainer, number: 11 },
  UpdatePodSandbox: { ...ofPod, number: 12, since: "0.10.0", call: "own", request: updatePodSandboxRequest },
  PostUpdatePodSandbox: { ...ofPod, number: 13, since: "0.10.0" },
} as const satisfies Record<string, EventFacts>;
// Event 14, VALIDATE_CONTAINER_ADJUSTMENT, is no lifecycle event: the runtime asks plugins to judge the adjustments of other
// plugins. The bridge does not subscribe to it.

export type EventName = keyof typeof events;

export type PodEventName = {
  [Name in EventName]: (typeof events)[Name]["subject"] extends "pod" ? Name : never;
}[EventName];

export type ContainerEventName = Exclude<EventName, PodEventName>;

/** A lifecycle event with its pod or container, whether it came by the call with its name or by StateChange. */
export type NriEvent = PodEvent | ContainerEvent;

export interface PodEvent {
  readonly name: PodEventName;
  readonly pod: PodSandbox;
  /** Like `linuxResources`, present in UpdatePodSandbox only. */
  readonly overheadLinuxResources?: LinuxResources;
  readonly linuxResources?: LinuxResources;
}

export interface ContainerEvent {
  readonly name: ContainerEventName;
  readonly pod: PodSandbox;
  readonly container: Container;
  /** The resources that the caller of UpdateContainer asks for; a zero means "not asked". */
  readonly linuxResources?: LinuxResources;
}

/** The fields of the requests of all events. On the wire any field that is a message may be absent. */
type EventRequest = Omit<gen.UpdatePodSandboxRequest, "pod"> & gen.CreateContainerRequest;

/** A plugin's answer to an event. Only the answer to CreateContainer has `adjust`; the answers to most events are empty. */
export interface EventResponse {
  readonly adjust?: ContainerAdjustment;
  readonly update: readonly ContainerUpdate[];
  /** In the answers to CreateContainer and UpdateContainer only. */
  readonly evict?: readonly ContainerEviction[] | undefined;
}

/** The answer of a plugin that asks for no change. */
export const noRequest: EventResponse = { update: [] };

/** The fields from which encodeEvent writes an event; a pod event has no container. */
export type EventSubject = EventRequest & { readonly pod: PodSandbox };

/**
 * Decodes the event of a call. Undefined when the method carries no event (Configure, Synchronize, Shutdown, unknown methods), and
 * for a StateChange with an event that is not in `events`. `sparing`: see MessageCodec.
 * @throws BridgeError PROTOCOL when the payload cannot be decoded
 */
export function decodeEvent(method: string, payload: Uint8Array, sparing = false): NriEvent | undefined {
  if (isEventName(method)) return eventOf(method, events[method].request.decode(payload, sparing));
  if (method !== "StateChange") return undefined;
  const { event, ...request } = stateChangeRequest.decode(payload, sparing);
  const name = eventNames.find((each) => gen.EventNames[events[each].number] === event);
  return name === undefined ? undefined : eventOf(name, request);
}

/** The name of a call's event, read from the method and the first two bytes; undefined where those do not show it. */
export function peekEvent(method: string, payload: Uint8Array): EventName | undefined {
  if (isEventName(method)) return method;
  // Go encodes the fields of a message in order: a StateChange starts with field 1, the event, which is a one-byte number.
  if (method !== "StateChange" || payload[0] !== 0x08) return undefined;
  return eventNames.find((name) => events[name].number === payload[1]);
}

/** Encodes an event as the call with the event's name ("own"), or as StateChange. */
export function encodeEvent(name: EventName, subject: EventSubject, call: "own" | "StateChange") {
  if (call === "own") return { method: name, payload: events[name].request.encode(subject) };
  const event = gen.EventNames[events[name].number];
  const container = isPodEvent(name) ? undefined : subject.container;
  return { method: call, payload: stateChangeRequest.encode({ event, pod: subject.pod, container }) };
}

/** Decodes the answer to a call that carries an event. The answer to StateChange is always empty. */
export function decodeEventResponse(method: string, payload: Uint8Array): EventResponse {
  const response = isEventName(method) ? events[method].response : undefined;
  return response?.decode(payload) ?? { update: [] };
}

export function encodeEventResponse(name: EventName, response: EventResponse): Uint8Array {
  const codec: MessageCodec<EventResponse> | undefined = events[name].response;
  return codec?.encode(response) ?? emptyResponse;
}

/** Builds the event of a request. An absent pod or container becomes an empty one, as in Go. */
function eventOf(name: EventName, request: EventRequest): NriEvent {
  const { pod = podSandbox.decode(nothing), container, ...rest } = request;
  if (isPodEvent(name)) return { name, pod, ...rest };
  return { name, pod, container: container ?? emptyableContainer.decode(nothing), ...rest };
}

const nothing = new Uint8Array(0);

export function isPodEvent(name: EventName): name is PodEventName {
  return events[name].subject === "pod";
}

export function isEventName(text: string): text is EventName {
  return Object.hasOwn(events, text);
}

/** The names of all events, in ascending order of their numbers. */
export const eventNames: readonly EventName[] = Object.keys(events).filter(isEventName);

export function eventBit(name: EventName): number {
  return 1 << (events[name].number - 1);
}

/** The events whose bits a mask has, in ascending order of their numbers. */
export function eventsOfMask(mask: number): EventName[] {
  return eventNames.filter((name) => (mask & eventBit(name)) !== 0);
}

/**
 * The mask that subscribes to those of the wanted events that a runtime of this NRI version knows.
 *
 * A runtime closes the connection for a bit that it does not know, and takes 0 as a subscription to everything, including the
 * validation of adjustments. So a plugin that wants no event subscribes to RemovePodSandbox: the rarest event, and its answer
 * changes nothing.
 */
export function eventMask(wanted: Iterable<EventName>, nri: Version): number {
  let mask = 0;
  for (const name of wanted) if (isAtLeast(nri, events[name].since)) mask |= eventBit(name);
  return mask === 0 ? eventBit("RemovePodSandbox") : mask;
}

/** The mask of every event that a runtime of this NRI version knows, except event 14. */
export function knownMask(nri: Version): number {
  return eventMask(eventNames, nri);
}
