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
  /** The milliseconds in which a plugin must answer a call; `registrationTimeoutMs`: in which it must register. */
  readonly requestTimeoutMs: number;
  readonly registrationTimeoutMs: number;
}

export interface Snapshot {
  readonly pods: readonly PodSandbox[];
  readonly containers: readonly Container[];
}

/** The facts about a runtime that decide how it treats a plugin. */
export interface RuntimeFacts extends RuntimeIntroduction {
  /** Whether the runtime sends each event by a call of its own; else most events come by StateChange. */
  readonly ownCalls: boolean;
  snapshot(): Snapshot;
  /** One Synchronize message has at most this many pods, and at most this many containers. */
  readonly synchronizeSize: number;
  readonly log: Log;
}

/** Where a plugin comes from: it connected by itself, or the runtime launched it with an identity and a configuration. */
export type PluginOrigin =
  | { readonly kind: "external" }
  | { readonly kind: "launched"; readonly identity: PluginIdentity; readonly config: string };

export interface RawOutcome {
  /** The plugin's encoded answer; absent when there is an error. */
  readonly payload?: Uint8Array;
  readonly error?: CallError;
  /**
   * Whether the plugin did not answer in time, or the connection broke: then the runtime drops the plugin, and goes on as if the
   * call had succeeded.
   */
  readonly dropped: boolean;
  readonly durationMs: number;
}

interface EventOutcome extends RawOutcome {
  readonly response?: EventResponse;
  /** The ttRPC method that carried the event; absent when the runtime made no call, as the plugin did not subscribe to it. */
  readonly method?: string;
}

/**
 * Waits for the registration of the plugin at the other end of a trunk, then configures and synchronizes the plugin.
 * @throws BridgeError REGISTRATION_REFUSED when the plugin does not register validly, PROTOCOL when it subscribes to unknown events
 * or cannot take a split Synchronize, and what the calls throw
 */
export async function connectPlugin(trunk: Trunk, origin: PluginOrigin, facts: RuntimeFacts): Promise<RuntimePlugin> {
  const { identity, config } = origin.kind === "launched" ? origin : { identity: undefined, config: "" };
  const link = new RuntimeLink(trunk, identity);
  // compat: a runtime with NRI < 0.12 forgets a plugin that failed to synchronize, and leaves its connection open
  // (containerd#13901).
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
    /** The bit mask of the events that the plugin subscribed to. */
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

  /** Resolves when the connection ends, with the error if an error ended it. */
  get ended(): Promise<Error | undefined> {
    return this.link.ended;
  }

  close(): void {
    this.link.close();
  }

  subscribedTo(name: EventName): boolean {
    return (this.mask & eventBit(name)) !== 0;
  }

  /** Sends an event by the runtime's call for it. Makes no call when the plugin has not subscribed to the event. */
  async call(name: EventName, subject: EventSubject): Promise<EventOutcome> {
    if (!this.subscribedTo(name)) return { dropped: false, durationMs: 0, response: { update: [] } };
    const own = this.facts.ownCalls || events[name].call === "own";
    const { method, payload } = encodeEvent(name, subject, own ? "own" : "StateChange");
    const outcome = await this.raw(method, payload);
    if (outcome.payload === undefined) return { ...outcome, method };
    return { ...outcome, method, response: decodeEventResponse(method, outcome.payload) };
  }

  /**
   * Sends a call with an encoded request, such as a recorded one. `timeoutNano` is in nanoseconds; 0 means no timeout, and the
   * default is the runtime's request timeout.
   */
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
      // compat: the runtime closes the plugin's connection, and counts the event as a success (adaptation's
      // isFatalError).
      const fields = { ...this.identity, method, error: errorText(thrown) };
      this.facts.log.error(fields, "closing the connection to the plugin: it did not answer");
      this.close();
      return outcome({ error: toCallError(thrown) }, true);
    }
  }
}

/** The runtime's end of a plugin's connection: calls the plugin's Plugin service, and serves the Runtime service. */
export class RuntimeLink {
  readonly ended: Promise<Error | undefined>;
  private readonly mux: Mux;
  private readonly client: TtrpcClient;
  private readonly registration: Promise<Registration>;
  private register: (outcome: Registration) => void = () => {};

  /** @param identity given for a plugin that the runtime launched; whatever the plugin registers as, this counts */
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

  /** Calls a method of the plugin with an encoded request. Throws what TtrpcClient.call throws. */
  call(method: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return this.client.call(pluginService, method, payload, options);
  }

  /**
   * Waits for the plugin to register.
   * @throws BridgeError REGISTRATION_REFUSED when the plugin does not register within `timeoutMs`, or with an invalid name or
   * index; the link then closes the connection
   */
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
    // Refuse only after the answer is sent, so that the plugin reads the reason before the connection closes.
    setImmediate(() => this.register({ refusal: fault }));
    throw new StatusError(Code.Unknown, fault);
  }
}

interface RegisteredPlugin {
  readonly identity: PluginIdentity;
  /** The NRI version that the plugin states; "" from plugins with NRI before 0.12. */
  readonly nriVersion: string;
}

type Registration = RegisteredPlugin | { readonly refusal: string };

function faultOf({ name, index }: PluginIdentity): string | undefined {
  if (!isPluginName(name)) return `invalid plugin name: ${JSON.stringify(name)}`;
  return isPluginIndex(index) ? undefined : `invalid plugin index: ${JSON.stringify(index)}`;
}

/** The mask bit of event 14, VALIDATE_CONTAINER_ADJUSTMENT, which NRI introduced together with the pod updates. */
const validateBit = 1 << 13;

/**
 * Configures a plugin and returns the mask of the events that it subscribes to: all known ones when it names none.
 * @throws BridgeError PROTOCOL when the plugin subscribes to an event that this NRI version does not know; what the call throws
 */
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
 * Synchronizes a plugin within `timeoutMs` for all messages together, and returns the container updates that the plugin asks for. A
 * message has at most `perMessage` pods and as many containers.
 * @throws BridgeError PROTOCOL when the plugin cannot take several messages; what the calls throw
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
