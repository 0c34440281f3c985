import { Deadline, monotonicClock } from "../deadline.js";
import { errorText } from "../errors.js";
import type { Log } from "../logger.js";
import type { Trunk } from "../transport/trunk.js";
import { StatusError } from "../ttrpc/status.js";
import type { EventResponse } from "./events.js";
import {
  decodeEventResponse,
  type EventName,
  type EventSubject,
  encodeEvent,
  eventBit,
  events,
  eventsOfMask,
} from "./events.js";
import type { PluginIdentity } from "./identity.js";
import { configurePlugin, type RuntimeIntroduction, synchronizePlugin } from "./runtime-handshake.js";
import { type CallError, type RegisteredPlugin, RuntimeLink, toCallError } from "./runtime-link.js";
import type { Container, ContainerUpdate, PodSandbox } from "./types.js";
import { hasFeature } from "./versions.js";

/** Everything about a runtime that its dealings with a plugin depend on. */
export interface RuntimeFacts extends RuntimeIntroduction {
  /** Whether events have calls of their own, with StateChange for plugins that lack them. */
  readonly ownCalls: boolean;
  snapshot(): { readonly pods: readonly PodSandbox[]; readonly containers: readonly Container[] };
  /** Pods, and containers, in one Synchronize message at most; else as many as fit. */
  readonly synchronizeSize?: number | undefined;
  updateContainers(update: readonly ContainerUpdate[]): readonly ContainerUpdate[];
  readonly log: Log;
}

/** Where a plugin comes from; one that the runtime launched has its identity and its configuration from there. */
export type PluginOrigin =
  | { readonly kind: "external" }
  | { readonly kind: "launched"; readonly identity: PluginIdentity; readonly config: string };

/** What a call brought. */
export interface RawOutcome {
  /** The encoded answer; absent when there is an error. */
  readonly payload?: Uint8Array;
  readonly error?: CallError;
  /** No answer came in time, or the connection broke: the runtime has dropped the plugin, and goes on as after success. */
  readonly dropped: boolean;
  readonly durationMs: number;
}

export interface EventOutcome extends RawOutcome {
  /** What the plugin asks for; absent when there is an error. */
  readonly response?: EventResponse;
  /** The call that brought the event; absent when the plugin has not subscribed to it, and none was made. */
  readonly method?: string;
}

/**
 * Registers, configures and synchronizes the plugin at the other end of a trunk.
 * @throws BridgeError REGISTRATION_REFUSED, PROTOCOL and what calls throw; the connection is closed then, but for a plugin
 *   that did not synchronize with NRI < 0.12: its connection stays, and is forgotten
 */
export async function connectPlugin(trunk: Trunk, origin: PluginOrigin, facts: RuntimeFacts): Promise<RuntimePlugin> {
  const { identity, config } = origin.kind === "launched" ? origin : { identity: undefined, config: "" };
  const link = new RuntimeLink(trunk, { identity, updateContainers: facts.updateContainers });
  const registered = await link.registered(facts.registrationTimeoutMs);
  facts.log.info({ ...registered.identity, nri: registered.nriVersion }, "a plugin registered");
  const mask = await closeOnError(link, configurePlugin(link, facts, config));
  const synchronized = synchronizePlugin(link, facts.snapshot(), facts.requestTimeoutMs, facts.synchronizeSize);
  // compat: NRI < 0.12 forgets a plugin that did not synchronize, and leaves its connection open (containerd#13901).
  const closes = hasFeature(facts.nri, "closesUnsynchronized");
  const updates = await (closes ? closeOnError(link, synchronized) : synchronized);
  return new RuntimePlugin(link, registered, mask, updates, facts);
}

async function closeOnError<T>(link: RuntimeLink, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    link.close();
    throw error;
  }
}

/** A plugin as the runtime sees it, from its synchronization to its end. */
export class RuntimePlugin {
  /** Switched off for good by the first event whose own call the plugin does not know. */
  private ownCalls: boolean;

  constructor(
    private readonly link: RuntimeLink,
    private readonly registered: RegisteredPlugin,
    /** The events that it gets, as a mask. */
    readonly mask: number,
    /** What it asked for when it synchronized. */
    readonly synchronizeUpdates: readonly ContainerUpdate[],
    private readonly facts: RuntimeFacts,
  ) {
    this.ownCalls = facts.ownCalls;
  }

  get identity(): PluginIdentity {
    return this.registered.identity;
  }

  /** What it says of its own NRI; "" from plugins before 0.12. */
  get nriVersion(): string {
    return this.registered.nriVersion;
  }

  get events(): EventName[] {
    return eventsOfMask(this.mask);
  }

  get closed(): boolean {
    return this.link.closed;
  }

  /** When the connection ends; gives the error, if that was why. */
  get ended(): Promise<Error | undefined> {
    return this.link.ended;
  }

  close(): void {
    this.link.close();
  }

  subscribedTo(name: EventName): boolean {
    return (this.mask & eventBit(name)) !== 0;
  }

  /** Sends an event as the runtime's dialect has it; to a plugin that has not subscribed to it only when asked to. */
  async call(
    name: EventName,
    subject: EventSubject,
    options: { evenUnsubscribed?: boolean } = {},
  ): Promise<EventOutcome> {
    if (!this.subscribedTo(name) && !options.evenUnsubscribed) {
      return { dropped: false, durationMs: 0, response: { update: [] } };
    }
    const own = this.ownCalls || events[name].call === "own";
    const outcome = await this.send(name, subject, own ? "own" : "StateChange");
    if (outcome.error?.code !== "UNIMPLEMENTED" || !own || events[name].call === "own") return outcome;
    this.facts.log.warn(
      { ...this.identity, event: name },
      "the plugin knows events by StateChange only, which is deprecated",
    );
    this.ownCalls = false;
    return await this.send(name, subject, "StateChange");
  }

  /** Sends a call as it was recorded. The time is in nanoseconds; the runtime's own when it is not given. */
  async raw(
    method: string,
    payload: Uint8Array,
    options: { timeoutNano?: bigint; metadata?: readonly (readonly [key: string, value: string])[] } = {},
  ): Promise<RawOutcome> {
    const { timeoutNano = BigInt(this.facts.requestTimeoutMs) * 1_000_000n, metadata = [] } = options;
    const deadline = timeoutNano === 0n ? Number.POSITIVE_INFINITY : Number(timeoutNano) / 1e6;
    const startedAt = monotonicClock();
    const outcome = await this.attempt(method, payload, Deadline.after(deadline), metadata);
    return { ...outcome, durationMs: monotonicClock() - startedAt };
  }

  private async send(name: EventName, subject: EventSubject, call: "own" | "StateChange"): Promise<EventOutcome> {
    const { method, payload } = encodeEvent(name, subject, call);
    const outcome = await this.raw(method, payload);
    if (outcome.payload === undefined) return { ...outcome, method };
    return { ...outcome, method, response: decodeEventResponse(method, outcome.payload) };
  }

  private async attempt(
    method: string,
    payload: Uint8Array,
    deadline: Deadline,
    metadata: readonly (readonly [key: string, value: string])[],
  ): Promise<Omit<RawOutcome, "durationMs">> {
    try {
      return { payload: await this.link.call(method, payload, { deadline, metadata }), dropped: false };
    } catch (thrown) {
      if (thrown instanceof StatusError) return { error: toCallError(thrown), dropped: false };
      // compat: the plugin is closed, and the event counts as a success (adaptation's isFatalError).
      this.facts.log.error(
        { ...this.identity, method, error: errorText(thrown) },
        "closing the plugin, it did not answer",
      );
      this.close();
      return { error: toCallError(thrown), dropped: true };
    }
  }
}
