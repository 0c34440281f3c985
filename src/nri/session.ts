import { alarm, Deadline } from "../base/deadline.js";
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
import { EventDelivery } from "./event-delivery.js";
import { eventBit, eventMask, eventNames, eventsOfMask } from "./events.js";
import type { PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { PluginIdentity } from "./identity.js";
import { TtrpcClient } from "./ttrpc/client.js";
import { type Call, type MethodHandler, TtrpcServer } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";
import type { ConfigureRequest, Container, PodSandbox } from "./types.js";
import { formatVersion, nriVersionOf, ownNriVersion, synchronizes } from "./versions.js";
import { Mux } from "./wire/mux.js";
import { ConnId } from "./wire/mux-frame.js";
import type { Trunk } from "./wire/trunk.js";

/** How far a connection has come. Events come in the phase "ready". */
type Phase = "registering" | "synchronizing" | "ready";

/** How a connection to the runtime ended. */
export type SessionEnd =
  /** The runtime sent Shutdown, and the connection ended after that. */
  | { readonly kind: "shutdown" }
  /** The runtime answered the registration with an error. */
  | { readonly kind: "refused"; readonly error: Error }
  /** The bridge's settings are wrong (CONFIG). */
  | { readonly kind: "misconfigured"; readonly error: Error }
  /**
   * The runtime went away, broke the protocol, or did not configure or synchronize the bridge in time. `error` is absent when the
   * runtime closed the socket in order.
   */
  | { readonly kind: "lost"; readonly phase: Phase; readonly error?: Error }
  /** The bridge closed the connection. */
  | { readonly kind: "aborted" };

export interface SessionOptions {
  readonly identity: PluginIdentity;
  readonly handlers: PluginHandlers;
  readonly log: Log;
  /**
   * How long the runtime may take to register and configure the bridge, in milliseconds. The default is longer than the 5 s that a
   * runtime gives each plugin: the runtime registers its plugins one after the other, and closes the connection itself when it
   * gives up on the bridge.
   */
  readonly registrationTimeoutMs?: number;
  /** How long after Configure the bridge logs a warning that Synchronize has not come, in milliseconds. */
  readonly synchronizeWithinMs?: number;
}

const defaultRegistrationTimeoutMs = 60_000;
const defaultSynchronizeWithinMs = 10_000;

/**
 * One connection of the bridge to the runtime, from the registration to the end. The runtime calls Configure, then Synchronize,
 * then one method for each event, and Shutdown at its end.
 *
 * The runtime may call Configure before it answers RegisterPlugin. So the bridge's service is up before it registers.
 */
export class Session {
  phase: Phase = "registering";
  /** The runtime at the other end; undefined until its Configure has come. */
  runtime: RuntimeInfo | undefined;
  readonly ended: Promise<SessionEnd>;
  private readonly mux: Mux;
  private readonly stallWatch = new StallWatch();
  private readonly events: EventDelivery;
  private readonly cancelRegistrationAlarm: () => void;
  private pods: PodSandbox[] = [];
  private containers: Container[] = [];
  private end: SessionEnd | undefined;
  private shutdownCalled = false;
  private overdueTimer: NodeJS.Timeout | undefined;
  private overdue = false;

  /** @param socketPath absent when the runtime launched the bridge */
  constructor(
    trunk: Trunk,
    private readonly options: SessionOptions,
    private readonly socketPath?: string,
  ) {
    this.mux = new Mux(trunk);
    this.events = new EventDelivery(options, this.stallWatch);
    const deliver: MethodHandler = (call) => this.events.deliver(call, this.configuredRuntime());
    // The server answers any other method, such as ValidateContainerAdjustment, with Unimplemented.
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
          options.log.error({ method, error: errorText(error) }, "the bridge could not handle a call of the runtime"),
        onRefused: (error) => this.afterRefusal(error),
      },
    );
    const client = new TtrpcClient(this.mux.open(ConnId.runtime));
    const { registrationTimeoutMs = defaultRegistrationTimeoutMs } = options;
    const deadline = Deadline.after(registrationTimeoutMs);
    const text = `the runtime did not configure the bridge within ${registrationTimeoutMs} ms`;
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

  /** Whether Synchronize is overdue. The runtime sends no events before Synchronize. */
  get unsynchronized(): boolean {
    return this.overdue && this.phase === "synchronizing";
  }

  /** Whether the bridge answered its latest event in time, or the runtime sent Shutdown. The back-off then starts anew. */
  get served(): boolean {
    return this.events.lastInTime || this.shutdownCalled;
  }

  /** Closes the connection, after the answers that are already queued have been sent. */
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
        log.warn({ missing }, "the runtime does not have all events: no plugin runs for those in `missing`");
      }
      if (this.phase === "registering") this.phase = "synchronizing";
      this.expectSynchronize(runtime);
      return configureResponse.encode({ events });
    } catch (thrown) {
      const error = toError(thrown);
      log.error({ error: error.message }, "Configure failed: the bridge closes the connection to the runtime");
      // Wrong settings of the bridge would fail again on a new connection; a slow machine or a broken message may not.
      const ours = error instanceof BridgeError && error.code === "CONFIG";
      const end: SessionEnd = ours ? { kind: "misconfigured", error } : this.endOf(error);
      // The connection closes after the error has been sent, so that the runtime knows why the bridge leaves.
      setImmediate(() => this.finish(end));
      throw error;
    } finally {
      this.cancelRegistrationAlarm();
    }
  }

  private runtimeOf(request: ConfigureRequest, call: Call): RuntimeInfo {
    // Before NRI 0.7 Configure has no timeouts; only the timeout of the Configure call itself shows how long calls may take.
    const requestTimeoutMs = request.requestTimeout > 0n ? Number(request.requestTimeout) : call.deadline.remainingMs();
    return {
      name: request.runtimeName,
      version: request.runtimeVersion,
      nri: nriVersionOf(request),
      requestTimeoutMs: Math.round(requestTimeoutMs),
      ...(this.socketPath === undefined ? {} : { socketPath: this.socketPath }),
    };
  }

  /**
   * Logs a warning when Synchronize is late. The bridge stays connected, because the runtime may only be waiting for a container to
   * stop before it sends Synchronize.
   */
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

  /** The runtime may send pods and containers in several messages. The answer to each but the last is only `more`. */
  private async synchronize(call: Call): Promise<Uint8Array> {
    const { deadline } = this.stallWatch.since(call, true);
    try {
      const runtime = this.configuredRuntime();
      const { pods, containers, more } = synchronizeRequest.decode(
        call.payload,
        this.options.handlers.sparing?.() ?? false,
      );
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
        if (late) this.leaveUnsynchronized(new Error("the bridge answered Synchronize too late"));
        else this.tellSynchronized(runtime);
      });
      return synchronizeResponse.encode({ update: [...(update ?? [])], more: false });
    } catch (error) {
      setImmediate(() => this.leaveUnsynchronized(toError(error)));
      throw error;
    }
  }

  private tellSynchronized(runtime: RuntimeInfo): void {
    if (this.mux.closed) return;
    this.options.log.info({}, "synchronized with the runtime");
    try {
      this.options.handlers.synchronized?.(runtime);
    } catch (thrown) {
      this.options.log.error({ error: errorText(thrown) }, "the bridge could not handle a call of the runtime");
    }
  }

  /**
   * Closes the connection after a failed Synchronize, so that the bridge connects again. compat: before NRI 0.12 a runtime keeps
   * the connection of a plugin that did not synchronize, but never sends it an event (containerd#13901); only a new connection
   * helps. From 0.12 on the runtime closes the connection itself.
   */
  private leaveUnsynchronized(error: Error): void {
    if (this.mux.closed) return;
    this.options.log.warn(
      { error: error.message },
      "Synchronize failed: the bridge closes the connection, on which the runtime would send no events",
    );
    this.finish({ kind: "lost", phase: "synchronizing", error });
  }

  /**
   * Leaves the runtime when, while Synchronize is due, the server refused a message that reached no handler: the message may have
   * been Synchronize, which the runtime does not send again.
   */
  private afterRefusal(error: unknown): void {
    const unknown = error instanceof StatusError && error.code === Code.Unimplemented;
    if (this.phase === "synchronizing" && !unknown) setImmediate(() => this.leaveUnsynchronized(toError(error)));
  }

  private shutdown(): Uint8Array {
    this.shutdownCalled = true;
    this.options.log.info({}, "the runtime is shutting down");
    return emptyResponse;
  }

  private configuredRuntime(): RuntimeInfo {
    if (this.runtime !== undefined) return this.runtime;
    throw new StatusError(Code.FailedPrecondition, "the runtime has not configured the bridge yet");
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
