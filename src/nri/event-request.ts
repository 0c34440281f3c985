import {
  container,
  containerRequest,
  podRequest,
  podSandbox,
  stateChangeRequest,
  updateContainerRequest,
  updatePodSandboxRequest,
} from "./codec.js";
import { type EventName, eventByConstant, events, isEventName, type PodEventName } from "./events.js";
import type { CreateContainerRequest, PodRequest } from "./messages.js";
import type { Container, ContainerEvent, PodEvent, UpdateContainerEvent, UpdatePodSandboxEvent } from "./types.js";

/** A lifecycle event with what it is about, whichever call brought it. */
export type NriEvent = { [Name in EventName]: { readonly name: Name } & About<Name> }[EventName];

type About<Name extends EventName> = Name extends "UpdatePodSandbox"
  ? UpdatePodSandboxEvent
  : Name extends "UpdateContainer"
    ? UpdateContainerEvent
    : Name extends PodEventName
      ? PodEvent
      : ContainerEvent;

/** What is said of an event to a plugin; a pod event has no container. */
export interface EventSubject extends UpdatePodSandboxEvent {
  container?: Container;
}

/** A call of the Plugin service that brings an event. */
export interface EventCall {
  readonly method: string;
  readonly payload: Uint8Array;
}

/**
 * Reads a call that brings an event. Undefined when the method brings none (Configure, Synchronize, Shutdown, unknown
 * ones), and for a StateChange with an event that we do not know. `sparing`: see MessageCodec.
 * @throws BridgeError PROTOCOL when the payload cannot be decoded
 */
export function decodeEvent(method: string, payload: Uint8Array, sparing = false): NriEvent | undefined {
  if (method === "StateChange") {
    const { event, ...request } = stateChangeRequest.decode(payload, sparing);
    const name = eventByConstant(event);
    return name === undefined ? undefined : eventOf(name, request);
  }
  if (!isEventName(method)) return undefined;
  if (method === "UpdateContainer") {
    const { linuxResources, ...request } = updateContainerRequest.decode(payload, sparing);
    const event = { name: method, ...withContainer(request) };
    return linuxResources === undefined ? event : { ...event, linuxResources };
  }
  if (method === "UpdatePodSandbox") {
    const request = updatePodSandboxRequest.decode(payload);
    return { name: method, ...request, ...withPod(request) };
  }
  return eventOf(
    method,
    isPodEvent(method) ? podRequest.decode(payload, sparing) : containerRequest.decode(payload, sparing),
  );
}

/** Writes the call that brings an event: the event's own, or StateChange. */
export function encodeEvent(name: EventName, subject: EventSubject, call: "own" | "StateChange"): EventCall {
  if (call === "StateChange") {
    const { pod, container: its } = subject;
    const about = isPodEvent(name) || its === undefined ? { pod } : { pod, container: its };
    return { method: call, payload: stateChangeRequest.encode({ event: events[name].constant, ...about }) };
  }
  if (name === "UpdateContainer") return { method: name, payload: updateContainerRequest.encode(subject) };
  if (name === "UpdatePodSandbox") return { method: name, payload: updatePodSandboxRequest.encode(subject) };
  const codec = isPodEvent(name) ? podRequest : containerRequest;
  return { method: name, payload: codec.encode(subject) };
}

export function isPodEvent(name: EventName): name is PodEventName {
  return events[name].subject === "pod";
}

function eventOf(name: EventName, request: CreateContainerRequest): NriEvent {
  if (isPodEvent(name)) return { name, ...withPod(request) };
  return { name, ...withContainer(request) };
}

/** An absent message is an empty one, as in Go. */
function withPod(request: PodRequest): PodEvent {
  return { pod: request.pod ?? podSandbox.decode(nothing()) };
}

function withContainer(request: CreateContainerRequest): ContainerEvent {
  return { ...withPod(request), container: request.container ?? container.decode(nothing()) };
}

function nothing(): Uint8Array {
  return new Uint8Array(0);
}
