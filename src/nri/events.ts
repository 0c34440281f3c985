import type { EventConstant } from "./messages.js";
import { isAtLeast, type Version } from "./versions.js";

interface EventFacts {
  /** Its number in the schema; its bit in a mask is `1 << (number - 1)`. */
  readonly number: number;
  readonly constant: EventConstant;
  /** The first NRI version that knows it. */
  readonly since: string;
  readonly subject: "pod" | "container";
  /** How a runtime before NRI 0.12 sends it: by the call of its own name, or by StateChange. */
  readonly call: "own" | "StateChange";
}

/** The lifecycle events, each named as the call that has carried it since NRI 0.12. */
export const events = {
  RunPodSandbox: pod(1, "RUN_POD_SANDBOX"),
  StopPodSandbox: pod(2, "STOP_POD_SANDBOX"),
  RemovePodSandbox: pod(3, "REMOVE_POD_SANDBOX"),
  CreateContainer: container(4, "CREATE_CONTAINER", "own"),
  PostCreateContainer: container(5, "POST_CREATE_CONTAINER"),
  StartContainer: container(6, "START_CONTAINER"),
  PostStartContainer: container(7, "POST_START_CONTAINER"),
  UpdateContainer: container(8, "UPDATE_CONTAINER", "own"),
  PostUpdateContainer: container(9, "POST_UPDATE_CONTAINER"),
  StopContainer: container(10, "STOP_CONTAINER", "own"),
  RemoveContainer: container(11, "REMOVE_CONTAINER"),
  UpdatePodSandbox: pod(12, "UPDATE_POD_SANDBOX", "own", "0.10.0"),
  PostUpdatePodSandbox: pod(13, "POST_UPDATE_POD_SANDBOX", "StateChange", "0.10.0"),
} as const satisfies Record<string, EventFacts>;
// Event 14, VALIDATE_CONTAINER_ADJUSTMENT, is a question and not of the lifecycle: nobody here subscribes to it.

export type EventName = keyof typeof events;

export type PodEventName = {
  [Name in EventName]: (typeof events)[Name]["subject"] extends "pod" ? Name : never;
}[EventName];

export type ContainerEventName = Exclude<EventName, PodEventName>;

function pod(number: number, constant: EventConstant, call: EventFacts["call"] = "StateChange", since = "0.2.0") {
  return { number, constant, since, subject: "pod", call } as const;
}

function container(number: number, constant: EventConstant, call: EventFacts["call"] = "StateChange", since = "0.2.0") {
  return { number, constant, since, subject: "container", call } as const;
}

export function isEventName(text: string): text is EventName {
  return Object.hasOwn(events, text);
}

/** Every event, by rising number. */
export const eventNames: readonly EventName[] = Object.keys(events).filter(isEventName);

/** The event of a StateChange request; undefined for one that we do not know. */
export function eventByConstant(constant: EventConstant): EventName | undefined {
  return eventNames.find((name) => events[name].constant === constant);
}

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
