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
  /** Its number in the schema; its bit in a mask is `1 << (number - 1)`. */
  readonly number: number;
  readonly subject: "pod" | "container";
  /** The first NRI version that knows it. */
  readonly since: string;
  /** How a runtime before NRI 0.12 sends it: by the call of its own name, or by StateChange. */
  readonly call: "own" | "StateChange";
  /** Of the call of its own name. */
  readonly request: MessageCodec<EventRequest>;
  /** Undefined where the answer has no content. */
  readonly response: MessageCodec<EventResponse> | undefined;
}

const usual = { since: "0.2.0", call: "StateChange", response: undefined } as const;
const ofPod = { ...usual, subject: "pod", request: podRequest } as const;
const ofContainer = { ...usual, subject: "container", request: containerRequest } as const;

/** The lifecycle events, each named as the call that has carried it since NRI 0.12. */
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
// Event 14, VALIDATE_CONTAINER_ADJUSTMENT, is a question and not of the lifecycle: the bridge does not subscribe to it.

export type EventName = keyof typeof events;

export type PodEventName = {
  [Name in EventName]: (typeof events)[Name]["subject"] extends "pod" ? Name : never;
}[EventName];

export type ContainerEventName = Exclude<EventName, PodEventName>;

/** A lifecycle event with its subject, whichever call brought it. */
export type NriEvent = PodEvent | ContainerEvent;

export interface PodEvent {
  readonly name: PodEventName;
  readonly pod: PodSandbox;
  /** Of UpdatePodSandbox alone. */
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

/** Any event's request, as it is on the wire, where any message may be absent. */
type EventRequest = Omit<gen.UpdatePodSandboxRequest, "pod"> & gen.CreateContainerRequest;

/** A plugin's answer to an event: with `adjust` to CreateContainer alone, and nothing to most. */
export interface EventResponse {
  readonly adjust?: ContainerAdjustment;
  readonly update: readonly ContainerUpdate[];
  /** To CreateContainer and UpdateContainer alone. */
  readonly evict?: readonly ContainerEviction[] | undefined;
}

/** The answer of a plugin that asks for nothing. */
export const noRequest: EventResponse = { update: [] };

/** The subject of an event; a pod event has no container. */
export type EventSubject = EventRequest & { readonly pod: PodSandbox };

/**
 * Reads a call that brings an event. Undefined when the method brings none (Configure, Synchronize, Shutdown, unknown
 * ones), and for a StateChange with an event that this table does not have. `sparing`: see MessageCodec.
 * @throws BridgeError PROTOCOL when the payload cannot be decoded
 */
export function decodeEvent(method: string, payload: Uint8Array, sparing = false): NriEvent | undefined {
  if (isEventName(method)) return eventOf(method, events[method].request.decode(payload, sparing));
  if (method !== "StateChange") return undefined;
  const { event, ...request } = stateChangeRequest.decode(payload, sparing);
  const name = eventNames.find((each) => gen.EventNames[events[each].number] === event);
  return name === undefined ? undefined : eventOf(name, request);
}

/** The event that a call brings, by its first bytes alone; undefined where the whole has to be read for that. */
export function peekEvent(method: string, payload: Uint8Array): EventName | undefined {
  if (isEventName(method)) return method;
  // Go writes the fields of a message in their order: the event, a small number, is the first one of a StateChange.
  if (method !== "StateChange" || payload[0] !== 0x08) return undefined;
  return eventNames.find((name) => events[name].number === payload[1]);
}

/** Writes the call that brings an event: the event's own, or StateChange. */
export function encodeEvent(name: EventName, subject: EventSubject, call: "own" | "StateChange") {
  if (call === "own") return { method: name, payload: events[name].request.encode(subject) };
  const event = gen.EventNames[events[name].number];
  const container = isPodEvent(name) ? undefined : subject.container;
  return { method: call, payload: stateChangeRequest.encode({ event, pod: subject.pod, container }) };
}

/** The answer to an event's call, or to StateChange, which has no content. */
export function decodeEventResponse(method: string, payload: Uint8Array): EventResponse {
  const response = isEventName(method) ? events[method].response : undefined;
  return response?.decode(payload) ?? { update: [] };
}

export function encodeEventResponse(name: EventName, response: EventResponse): Uint8Array {
  const codec: MessageCodec<EventResponse> | undefined = events[name].response;
  return codec?.encode(response) ?? emptyResponse;
}

/** An absent message is an empty one, as in Go. */
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

/** Every event, by rising number. */
export const eventNames: readonly EventName[] = Object.keys(events).filter(isEventName);

export function eventBit(name: EventName): number {
  return 1 << (events[name].number - 1);
}

/** The events of a mask, by rising number. */
export function eventsOfMask(mask: number): EventName[] {
  return eventNames.filter((name) => (mask & eventBit(name)) !== 0);
}

/**
 * The mask that subscribes to those of the events that a runtime of this NRI version knows.
 *
 * A bit unknown to the runtime ends the connection, and 0 subscribes to everything, to being a validator too. So a
 * plugin that wants nothing gets RemovePodSandbox: the rarest event, and one whose answer changes nothing.
 */
export function eventMask(wanted: Iterable<EventName>, nri: Version): number {
  let mask = 0;
  for (const name of wanted) if (isAtLeast(nri, events[name].since)) mask |= eventBit(name);
  return mask === 0 ? eventBit("RemovePodSandbox") : mask;
}

/** The mask of every event that a runtime of this NRI version knows, event 14 left out. */
export function knownMask(nri: Version): number {
  return eventMask(eventNames, nri);
}
