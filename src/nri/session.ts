import { alarm, Deadline, monotonicClock } from "../base/deadline.js";
import { BridgeError, errorText, toError } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { answerInTime, StallWatch } from "./answer-in-time.js";
import {
  configureRequest,
  configureResponse,
  emptyResponse,
  pluginService,
  registerPluginRequest,
  runtimeService,
  synchronizeRequest,
  synchronizeResponse,
} from "./codec.js";
import {
  decodeEvent,
  encodeEventResponse,
  eventBit,
  eventMask,
  eventNames,
  eventsOfMask,
  type NriEvent,
  peekEvent,
} from "./events.js";
import type { CallContext, PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { PluginIdentity } from "./identity.js";
import { TtrpcClient } from "./ttrpc/client.js";
import { type Call, type MethodHandler, TtrpcServer } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";
import type { ConfigureRequest, Container, PodSandbox } from "./types.js";
import { formatVersion, mayFail, nriVersionOf, ownNriVersion, refusedSandboxFault, synchronizes } from "./versions.js";
import { Mux } from "./wire/mux.js";
import { ConnId } from "./wire/mux-frame.js";
import type { Trunk } from "./wire/trunk.js";

/** How far a connection has come; events are delivered when it is ready. */
type Phase = "registering" | "synchronizing" | "ready";

/** How a connection to the runtime ended. */
export type SessionEnd =
  /** The runtime said that it shuts down, then went. */
  | { readonly kind: "shutdown" }
  /** The runtime answered the registration with an error. */
  | { readonly kind: "refused"; readonly error: Error }
  /** Our own settings are wrong (CONFIG). */
  | { readonly kind: "misconfigured"; readonly error: Error }
  /** It went away, broke the protocol, or forgot us; error is absent for a plain end of the stream. */
  | { readonly kind: "lost"; readonly phase: Phase; readonly error?: Error }
  /** We closed it. */
  | { readonly kind: "aborted" };

export interface SessionOptions {
  readonly identity: PluginIdentity;
  readonly handlers: PluginHandlers;
  readonly log: Log;
  /**
   * Milliseconds until registered and configured. Longer than the runtime's own 5 s: it takes its plugins one after another,
   * and hangs up when it is done with us.
   */
  readonly registrationTimeoutMs?: number;
  /** When a Synchronize that has not come is told of, in milliseconds after Configure. */
  readonly synchronizeWithinMs?: number;
}

const defaultRegistrationTimeoutMs = 60_000;
const defaultSynchronizeWithinMs = 10_000;

/**
 * One connection to the runtime, from the registration to the end: what the runtime calls, in the order of the protocol.
 *
 * The runtime may call Configure before it answers RegisterPlugin, so our service is up before we register.
 */
export class Session {
  phase: Phase = "registering";
  /** Once it has configured us. */
  runtime: RuntimeInfo | undefined;
  readonly ended: Promise<SessionEnd>;
  private readonly mux: Mux;
  private readonly stallWatch = new StallWatch();
  private readonly cancelRegistrationAlarm: () => void;
  private pods: PodSandbox[] = [];
  private containers: Container[] = [];
  private end: SessionEnd | undefined;
  private shutdownCalled = false;
  /** Whether the latest event was answered before the runtime gave up on us, which costs the connection. */
  private lastInTime = false;
  /** Reads the events that were answered before. */
  private readonly answered: (() => void)[] = [];
  private overdueTimer: NodeJS.Timeout | undefined;
  private overdue = false;

  /** @param socketPath absent when the runtime launched us */
  constructor(
    trunk: Trunk,
    private readonly options: SessionOptions,
    private readonly socketPath?: string,
  ) {
    this.mux = new Mux(trunk);
    const deliver: MethodHandler = (call) => this.deliver(call);
    // A method that is not in here (ValidateContainerAdjustment) is answered with Unimplemented.
    const methods = {
      ...Object.fromEntries(eventNames.map((name) => [name, deliver])),
      StateChange: deliver,
      Configure: (call: Call) => this.configure(call),
      Synchronize: (call: Call) => this.synchronize(call),
      Shutdown: () => this.shutdown(),
    };
    new TtrpcServer(
      this.mux.open(ConnId.plugin),
      { [pluginService]: methods },
      {
        onInternalError: ({ method }, error) =>
          options.log.error({ method, error: errorText(error) }, "handling a call of the runtime failed"),
        onRefused: (error) => this.afterRefusal(error),
      },
    );
    const client = new TtrpcClient(this.mux.open(ConnId.runtime));
    const { registrationTimeoutMs = defaultRegistrationTimeoutMs } = options;
    const deadline = Deadline.after(registrationTimeoutMs);
    const text = `the runtime did not configure the plugin within ${registrationTimeoutMs} ms`;
    const notConfigured = () => this.finish(this.endOf(new BridgeError("CALL_TIMEOUT", text)));
    this.cancelRegistrationAlarm = alarm(deadline, notConfigured);
    this.ended = new Promise((resolve) => {
      this.mux.onClose((error) => {
        this.cancelRegistrationAlarm();
        clearTimeout(this.overdueTimer);
        this.stallWatch.stop();
        resolve(this.end ?? this.endOf(error));
      });
    });
    void this.register(client, deadline);
  }

  /** Whether Synchronize should have come by now: until it does, no event comes. */
  get unsynchronized(): boolean {
    return this.overdue && this.phase === "synchronizing";
  }

  /** Whether the connection was of use, and did not end because we were too slow. */
  get served(): boolean {
    return this.lastInTime || this.shutdownCalled;
  }

  /** Ends the connection; what has been answered is still sent. */
  close(): void {
    this.finish({ kind: "aborted" });
  }

  private async register(client: TtrpcClient, deadline: Deadline): Promise<void> {
    const { identity, log } = this.options;
    const request = { pluginName: identity.name, pluginIdx: identity.index, NRIVersion: ownNriVersion };
    try {
      await client.call(runtimeService, "RegisterPlugin", registerPluginRequest.encode(request), { deadline });
      log.info({ plugin: identity.name, index: identity.index }, "registered with the runtime");
    } catch (thrown) {
      const error = toError(thrown);
      this.finish(error instanceof StatusError ? { kind: "refused", error } : this.endOf(error));
    }
  }

  private async configure(call: Call): Promise<Uint8Array> {
    const { handlers, log } = this.options;
    try {
      const request = configureRequest.decode(call.payload);
      const runtime = this.runtimeOf(request, call);
      this.runtime = runtime;
      const wanted = [...(await answerInTime(call, () => handlers.configure(request, runtime)))];
      const events = eventMask(wanted, runtime.nri);
      log.info(
        {
          runtime: runtime.name,
          runtimeVersion: runtime.version,
          nri: formatVersion(runtime.nri),
          nriSource: runtime.nri.source,
          requestTimeoutMs: runtime.requestTimeoutMs,
          events: eventsOfMask(events),
        },
        "configured by the runtime",
      );
      const missing = wanted.filter((name) => (events & eventBit(name)) === 0);
      if (missing.length > 0) {
        log.warn({ missing }, "the runtime does not know all events: no plugin runs for the missing events");
      }
      if (this.phase === "registering") this.phase = "synchronizing";
      this.expectSynchronize(runtime);
      return configureResponse.encode({ events });
    } catch (thrown) {
      const error = toError(thrown);
      log.error({ error: error.message }, "cannot use the runtime's configuration");
      // A fault of our own settings stays; a machine that was too slow, or a broken message, is a matter of that time.
      const ours = error instanceof BridgeError && error.code === "CONFIG";
      const end: SessionEnd = ours ? { kind: "misconfigured", error } : this.endOf(error);
      // Once the answer is on its way: the runtime then knows why we go.
      setImmediate(() => this.finish(end));
      throw error;
    } finally {
      this.cancelRegistrationAlarm();
    }
  }

  private runtimeOf(request: ConfigureRequest, call: Call): RuntimeInfo {
    // Before NRI 0.7 the timeout is told by nothing but the call's own.
    const requestTimeoutMs = request.requestTimeout > 0n ? Number(request.requestTimeout) : call.deadline.remainingMs();
    return {
      name: request.runtimeName,
      version: request.runtimeVersion,
      nri: nriVersionOf(request),
      requestTimeoutMs: Math.round(requestTimeoutMs),
      ...(this.socketPath === undefined ? {} : { socketPath: this.socketPath }),
    };
  }

  /** It may take its time, as long as a container is being stopped: that is no reason to leave. */
  private expectSynchronize(runtime: RuntimeInfo): void {
    if (this.phase !== "synchronizing" || !synchronizes(runtime)) return;
    const { log, synchronizeWithinMs = defaultSynchronizeWithinMs } = this.options;
    clearTimeout(this.overdueTimer);
    this.overdueTimer = setTimeout(() => {
      if (this.phase !== "synchronizing") return;
      this.overdue = true;
      const waited = `the runtime did not synchronize the bridge for ${synchronizeWithinMs / 1000} s`;
      const fields = { runtime: runtime.name, runtimeVersion: runtime.version };
      log.warn(fields, `${waited}: it sends no events until it does, and no plugin runs`);
    }, synchronizeWithinMs).unref();
  }

  /** Pods and containers may come in several messages; each but the last is answered with "more", and nothing else. */
  private async synchronize(call: Call): Promise<Uint8Array> {
    const { deadline } = this.stallWatch.since(call, true);
    try {
      const runtime = this.configuredRuntime();
      const { pods, containers, more } = synchronizeRequest.decode(call.payload, this.sparing);
      for (const pod of pods) this.pods.push(pod);
      for (const container of containers) this.containers.push(container);
      if (more) return synchronizeResponse.encode({ update: [], more });
      const all = [this.pods, this.containers] as const;
      this.pods = [];
      this.containers = [];
      const update = await answerInTime(call, () =>
        this.options.handlers.synchronize?.(...all, { ...call, event: "Synchronize", runtime }),
      );
      this.phase = "ready";
      const late = deadline.expired;
      setImmediate(() => {
        if (late) this.leaveUnsynchronized(new Error("the answer to Synchronize came too late"));
        else this.tellSynchronized(runtime);
      });
      return synchronizeResponse.encode({ update: [...(update ?? [])], more: false });
    } catch (error) {
      setImmediate(() => this.leaveUnsynchronized(toError(error)));
      throw error;
    }
  }

  private get sparing(): boolean {
    return this.options.handlers.sparing?.() ?? false;
  }

  private tellSynchronized(runtime: RuntimeInfo): void {
    if (this.mux.closed) return;
    this.options.log.info({}, "synchronized with the runtime");
    try {
      this.options.handlers.synchronized?.(runtime);
    } catch (thrown) {
      this.options.log.error({ error: errorText(thrown) }, "handling a call of the runtime failed");
    }
  }

  /**
   * compat: before NRI 0.12 a runtime keeps the connection of a plugin that did not synchronize, and never sends it an
   * event (containerd#13901). A new connection is the only way out; from 0.12 on the runtime hangs up as well.
   */
  private leaveUnsynchronized(error: Error): void {
    if (this.mux.closed) return;
    this.options.log.warn(
      { error: error.message },
      "the synchronization with the runtime failed: closing the connection, on which no events would come",
    );
    this.finish({ kind: "lost", phase: "synchronizing", error });
  }

  /** A call that reached no handler may have been Synchronize, which is not sent again. */
  private afterRefusal(error: unknown): void {
    const unknown = error instanceof StatusError && error.code === Code.Unimplemented;
    if (this.phase === "synchronizing" && !unknown) setImmediate(() => this.leaveUnsynchronized(toError(error)));
  }

  private deliver(received: Call): Uint8Array | Promise<Uint8Array> {
    const runtime = this.configuredRuntime();
    const startedAt = monotonicClock();
    const call = this.stallWatch.since(received);
    const name = peekEvent(call.method, call.payload);
    if (name === undefined || !this.options.handlers.asksNothing?.(name)) {
      this.readAnswered();
      return this.handle(call, runtime);
    }
    const answeredInMs = monotonicClock() - startedAt;
    this.answered.push(() => void this.handleAnswered({ ...call, event: name, runtime, answeredInMs }));
    setImmediate(() => this.readAnswered());
    return emptyResponse;
  }

  /** The events whose answers are on their way, in the order in which they came, and before any that comes after them. */
  private readAnswered(): void {
    for (const read of this.answered.splice(0)) read();
  }

  private async handleAnswered(call: CallContext): Promise<void> {
    const { handlers, log } = this.options;
    this.lastInTime = !call.deadline.expired;
    try {
      const event = decodeEvent(call.method, call.payload, this.sparing);
      if (event !== undefined) await handlers.handle?.(event, call);
    } catch (error) {
      log.error({ method: call.method, error: errorText(error) }, "handling a call of the runtime failed");
    }
  }

  private async handle(call: Call, runtime: RuntimeInfo): Promise<Uint8Array> {
    let event: NriEvent | undefined;
    try {
      const decoded = decodeEvent(call.method, call.payload, this.sparing);
      // A StateChange with an event of a later NRI: nothing that we subscribed to, and no reason to fail anything.
      if (decoded === undefined) return emptyResponse;
      event = decoded;
      const response = await answerInTime(call, () =>
        this.options.handlers.handle?.(decoded, { ...call, event: decoded.name, runtime }),
      );
      return response === undefined ? emptyResponse : encodeEventResponse(decoded.name, response);
    } catch (error) {
      // A StateChange that cannot be read may be of any event.
      const name = event?.name ?? (call.method === "StateChange" ? "RunPodSandbox" : call.method);
      if (mayFail(name, runtime)) throw error;
      this.tellUnanswered(error, event?.pod, runtime);
      return emptyResponse;
    } finally {
      if (event !== undefined) this.lastInTime = !call.deadline.expired;
    }
  }

  /** The failure of a sandbox that the runtime cannot be told: it is in the log, and nowhere else. */
  private tellUnanswered(error: unknown, pod: PodSandbox | undefined, { name, version }: RuntimeInfo): void {
    this.options.log.error(
      {
        event: "RunPodSandbox",
        ...(pod === undefined ? {} : { pod: `${pod.namespace}/${pod.name}`, id: pod.id }),
        error: errorText(error),
        runtime: `${name} ${version}`,
        ...refusedSandboxFault,
      },
      "a pod sandbox's create failed, and this runtime starts the sandbox all the same: the bridge refuses its containers until the create succeeds",
    );
  }

  private shutdown(): Uint8Array {
    this.shutdownCalled = true;
    this.options.log.info({}, "the runtime is shutting down");
    return emptyResponse;
  }

  private configuredRuntime(): RuntimeInfo {
    if (this.runtime !== undefined) return this.runtime;
    throw new StatusError(Code.FailedPrecondition, "the plugin has not been configured");
  }

  private finish(end: SessionEnd): void {
    this.end ??= end;
    this.mux.close();
  }

  private endOf(error: Error | undefined): SessionEnd {
    if (this.shutdownCalled) return { kind: "shutdown" };
    return { kind: "lost", phase: this.phase, ...(error === undefined ? {} : { error }) };
  }
}
