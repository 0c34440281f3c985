import { alarm, Deadline, monotonicClock } from "../../base/deadline.js";
import { BridgeError, errorText } from "../../base/errors.js";
import type { Log } from "../../base/logger.js";
import {
  configureRequest,
  configureResponse,
  emptyResponse,
  pluginService,
  registerPluginRequest,
  runtimeService,
  synchronizeRequest,
  synchronizeResponse,
} from "../../nri/codec.js";
import {
  decodeEventResponse,
  type EventName,
  type EventResponse,
  type EventSubject,
  encodeEvent,
  eventBit,
  events,
  eventsOfMask,
  knownMask,
} from "../../nri/events.js";
import { isPluginIndex, isPluginName, type PluginIdentity } from "../../nri/identity.js";
import { type CallOptions, TtrpcClient } from "../../nri/ttrpc/client.js";
import { TtrpcServer } from "../../nri/ttrpc/server.js";
import { type CallError, Code, StatusError, toCallError } from "../../nri/ttrpc/status.js";
import type { Container, ContainerUpdate, PodSandbox } from "../../nri/types.js";
import { formatVersion, hasFeature, type Version } from "../../nri/versions.js";
import { Mux } from "../../nri/wire/mux.js";
import { ConnId } from "../../nri/wire/mux-frame.js";
import type { Trunk } from "../../nri/wire/trunk.js";

interface RuntimeIntroduction {
  readonly name: string;
  readonly version: string;
  readonly nri: Version;
  /** Milliseconds that a plugin has for an answer, and to register. */
  readonly requestTimeoutMs: number;
  readonly registrationTimeoutMs: number;
}

export interface Snapshot {
  readonly pods: readonly PodSandbox[];
  readonly containers: readonly Container[];
}

/** Everything about a runtime that its dealings with a plugin depend on. */
export interface RuntimeFacts extends RuntimeIntroduction {
  /** Whether events have calls of their own, or come by StateChange. */
  readonly ownCalls: boolean;
  snapshot(): Snapshot;
  /** Pods, and containers, in one Synchronize message at most. */
  readonly synchronizeSize: number;
  readonly log: Log;
}

/** Where a plugin comes from; one that the runtime launched has its identity and its configuration from there. */
export type PluginOrigin =
  | { readonly kind: "external" }
  | { readonly kind: "launched"; readonly identity: PluginIdentity; readonly config: string };

export interface RawOutcome {
  /** The encoded answer; absent when there is an error. */
  readonly payload?: Uint8Array;
  readonly error?: CallError;
  /** No answer came in time, or the connection broke: the runtime has dropped the plugin, and goes on as after success. */
  readonly dropped: boolean;
  readonly durationMs: number;
}

interface EventOutcome extends RawOutcome {
  readonly response?: EventResponse;
  /** The call that brought the event; absent when the plugin has not subscribed to it, and none was made. */
  readonly method?: string;
}

/**
 * Registers, configures and synchronizes the plugin at the other end of a trunk.
 * @throws BridgeError REGISTRATION_REFUSED, PROTOCOL and what calls throw
 */
export async function connectPlugin(trunk: Trunk, origin: PluginOrigin, facts: RuntimeFacts): Promise<RuntimePlugin> {
  const { identity, config } = origin.kind === "launched" ? origin : { identity: undefined, config: "" };
  const link = new RuntimeLink(trunk, identity);
  // compat: NRI < 0.12 forgets a plugin that did not synchronize, and leaves its connection open (containerd#13901).
  let closes = true;
  try {
    const registered = await link.registered(facts.registrationTimeoutMs);
    facts.log.info({ ...registered.identity, nri: registered.nriVersion }, "a plugin registered");
    const mask = await configurePlugin(link, facts, config);
    closes = hasFeature(facts.nri, "closesUnsynchronized");
    const updates = await synchronizePlugin(link, facts.snapshot(), facts.requestTimeoutMs, facts.synchronizeSize);
    return new RuntimePlugin(link, registered.identity, mask, updates, facts);
  } catch (error) {
    if (closes) link.close();
    throw error;
  }
}

export class RuntimePlugin {
  constructor(
    private readonly link: RuntimeLink,
    readonly identity: PluginIdentity,
    /** The events that it gets, as a mask. */
    readonly mask: number,
    readonly synchronizeUpdates: readonly ContainerUpdate[],
    private readonly facts: RuntimeFacts,
  ) {}

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

  /** Sends an event that the plugin has subscribed to, as the runtime's dialect has it. */
  async call(name: EventName, subject: EventSubject): Promise<EventOutcome> {
    if (!this.subscribedTo(name)) return { dropped: false, durationMs: 0, response: { update: [] } };
    const own = this.facts.ownCalls || events[name].call === "own";
    const { method, payload } = encodeEvent(name, subject, own ? "own" : "StateChange");
    const outcome = await this.raw(method, payload);
    if (outcome.payload === undefined) return { ...outcome, method };
    return { ...outcome, method, response: decodeEventResponse(method, outcome.payload) };
  }

  /** Sends a call as it was recorded. The time is in nanoseconds; the runtime's own when it is not given. */
  async raw(
    method: string,
    payload: Uint8Array,
    options: { timeoutNano?: bigint; metadata?: readonly (readonly [key: string, value: string])[] } = {},
  ): Promise<RawOutcome> {
    const { timeoutNano = BigInt(this.facts.requestTimeoutMs) * 1_000_000n, metadata = [] } = options;
    const deadline = Deadline.after(timeoutNano === 0n ? Number.POSITIVE_INFINITY : Number(timeoutNano) / 1e6);
    const startedAt = monotonicClock();
    const outcome = (more: Pick<RawOutcome, "payload" | "error">, dropped = false) => {
      return { ...more, dropped, durationMs: monotonicClock() - startedAt };
    };
    try {
      return outcome({ payload: await this.link.call(method, payload, { deadline, metadata }) });
    } catch (thrown) {
      if (thrown instanceof StatusError) return outcome({ error: toCallError(thrown) });
      // compat: the plugin is closed, and the event counts as a success (adaptation's isFatalError).
      const fields = { ...this.identity, method, error: errorText(thrown) };
      this.facts.log.error(fields, "closing the connection to the plugin: it did not answer");
      this.close();
      return outcome({ error: toCallError(thrown) }, true);
    }
  }
}

/** The runtime's end of one plugin's connection: it calls the Plugin service, and serves the Runtime service. */
export class RuntimeLink {
  readonly ended: Promise<Error | undefined>;
  private readonly mux: Mux;
  private readonly client: TtrpcClient;
  private readonly registration: Promise<Registration>;
  private register: (outcome: Registration) => void = () => {};

  /** @param identity of a plugin that the runtime launched, whose own word does not count */
  constructor(
    trunk: Trunk,
    private readonly identity?: PluginIdentity,
  ) {
    this.registration = new Promise((resolve) => {
      this.register = resolve;
    });
    this.mux = new Mux(trunk);
    this.client = new TtrpcClient(this.mux.open(ConnId.plugin));
    new TtrpcServer(this.mux.open(ConnId.runtime), {
      [runtimeService]: { RegisterPlugin: ({ payload }) => this.registerPlugin(payload) },
    });
    this.ended = new Promise((resolve) => this.mux.onClose(resolve));
    void this.ended.then((error) => this.register({ refusal: error?.message ?? "the plugin closed the connection" }));
  }

  get closed(): boolean {
    return this.mux.closed;
  }

  close(): void {
    this.mux.close();
  }

  /** Calls the plugin with bytes as they are; throws as TtrpcClient.call does. */
  call(method: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return this.client.call(pluginService, method, payload, options);
  }

  /** @throws BridgeError REGISTRATION_REFUSED when the plugin does not register, or not rightly; the connection is closed then */
  async registered(timeoutMs: number): Promise<RegisteredPlugin> {
    const cancel = alarm(Deadline.after(timeoutMs), () =>
      this.register({ refusal: `the plugin did not register within ${timeoutMs} ms` }),
    );
    const outcome = await this.registration;
    cancel();
    if (!("refusal" in outcome)) return outcome;
    this.close();
    throw new BridgeError("REGISTRATION_REFUSED", outcome.refusal);
  }

  private registerPlugin(payload: Uint8Array): Uint8Array {
    const { pluginName, pluginIdx, NRIVersion } = registerPluginRequest.decode(payload);
    const identity = this.identity ?? { name: pluginName, index: pluginIdx };
    const fault = faultOf(identity);
    if (fault === undefined) {
      this.register({ identity, nriVersion: NRIVersion });
      return emptyResponse;
    }
    // After the answer: the plugin is to read why.
    setImmediate(() => this.register({ refusal: fault }));
    throw new StatusError(Code.Unknown, fault);
  }
}

interface RegisteredPlugin {
  readonly identity: PluginIdentity;
  /** The NRI version that it states; "" from plugins before 0.12. */
  readonly nriVersion: string;
}

type Registration = RegisteredPlugin | { readonly refusal: string };

function faultOf({ name, index }: PluginIdentity): string | undefined {
  if (!isPluginName(name)) return `invalid plugin name: ${JSON.stringify(name)}`;
  return isPluginIndex(index) ? undefined : `invalid plugin index: ${JSON.stringify(index)}`;
}

/** The bit of event 14, VALIDATE_CONTAINER_ADJUSTMENT, which came with the pod updates. */
const validateBit = 1 << 13;

/** Configures a plugin; gives the mask of its events. @throws BridgeError PROTOCOL for an unknown event, and what the call throws */
export async function configurePlugin(
  link: RuntimeLink,
  runtime: RuntimeIntroduction,
  config: string,
): Promise<number> {
  const tellsTimeouts = hasFeature(runtime.nri, "splitSynchronize");
  const request = configureRequest.encode({
    config,
    runtimeName: runtime.name,
    runtimeVersion: runtime.version,
    registrationTimeout: tellsTimeouts ? BigInt(runtime.registrationTimeoutMs) : 0n,
    requestTimeout: tellsTimeouts ? BigInt(runtime.requestTimeoutMs) : 0n,
    NRIVersion: hasFeature(runtime.nri, "ownCalls") ? `v${formatVersion(runtime.nri)}` : "",
  });
  const answer = await link.call("Configure", request, { deadline: Deadline.after(runtime.requestTimeoutMs) });
  const { events } = configureResponse.decode(answer);
  const known = knownMask(runtime.nri) | (hasFeature(runtime.nri, "podUpdates") ? validateBit : 0);
  if ((events & ~known) !== 0) {
    throw new BridgeError("PROTOCOL", `invalid plugin events: 0x${(events & ~known).toString(16)}`, { events });
  }
  return events === 0 ? known : events;
}

/**
 * Synchronizes a plugin within one request timeout, in messages of at most `synchronizeSize`; gives the updates that it asks for.
 * @throws BridgeError PROTOCOL for a plugin that does not know split messages, and what the calls throw
 */
export async function synchronizePlugin(
  link: RuntimeLink,
  { pods, containers }: Snapshot,
  timeoutMs: number,
  perMessage = Number.POSITIVE_INFINITY,
): Promise<ContainerUpdate[]> {
  const deadline = Deadline.after(timeoutMs);
  for (let from = 0; ; from += perMessage) {
    const to = from + perMessage;
    const more = pods.length > to || containers.length > to;
    const request = synchronizeRequest.encode({
      pods: pods.slice(from, to),
      containers: containers.slice(from, to),
      more,
    });
    const answer = synchronizeResponse.decode(await link.call("Synchronize", request, { deadline }));
    if (!more) return answer.update;
    if (answer.update.length > 0 || !answer.more) {
      link.close();
      throw new BridgeError("PROTOCOL", "plugin does not handle split sync requests");
    }
  }
}
