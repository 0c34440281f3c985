import { alarm, Deadline } from "../base/deadline.js";
import { BridgeError, errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { registerPluginRequest, runtimeService } from "./codec.js";
import type { PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { PluginIdentity } from "./identity.js";
import { type Phase, PluginService } from "./plugin-service.js";
import { StallWatch } from "./stall-watch.js";
import { TtrpcClient } from "./ttrpc/client.js";
import { TtrpcServer } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";
import { ownNriVersion, synchronizes } from "./versions.js";
import { Mux } from "./wire/mux.js";
import { ConnId } from "./wire/mux-frame.js";
import type { Trunk } from "./wire/trunk.js";

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
  readonly socketPath?: string | undefined;
  /** How long to wait until registered and configured, in milliseconds. */
  readonly registrationTimeoutMs: number;
  /** When a Synchronize that has not come is told of, in milliseconds after Configure. */
  readonly synchronizeWithinMs: number;
}

/**
 * One connection to the runtime, from the registration to the end.
 *
 * The runtime may call Configure before it answers RegisterPlugin, so our service is up before we register.
 */
export class Session {
  readonly ended: Promise<SessionEnd>;
  private readonly mux: Mux;
  private readonly client: TtrpcClient;
  private readonly service: PluginService;
  private readonly stallWatch = new StallWatch();
  private readonly cancelRegistrationAlarm: () => void;
  private end: SessionEnd | undefined;
  private overdueTimer: NodeJS.Timeout | undefined;
  private overdue = false;

  constructor(
    trunk: Trunk,
    private readonly options: SessionOptions,
  ) {
    this.mux = new Mux(trunk);
    this.service = new PluginService({
      handlers: options.handlers,
      log: options.log,
      socketPath: options.socketPath,
      waitedMs: (inParts) => this.stallWatch.waitedMs(inParts),
      onConfigured: (error) => this.afterConfigure(error),
      onSynchronized: (outcome) => setImmediate(() => this.afterSynchronize(outcome)),
    });
    new TtrpcServer(this.mux.open(ConnId.plugin), this.service.services, {
      onInternalError: (call, error) =>
        options.log.error({ method: call?.method, error: errorText(error) }, "a handler failed"),
      onRefused: (error) => setImmediate(() => this.afterRefusal(error)),
    });
    this.client = new TtrpcClient(this.mux.open(ConnId.runtime));
    const deadline = Deadline.after(options.registrationTimeoutMs);
    this.cancelRegistrationAlarm = alarm(deadline, () => this.finish(this.endOf(notConfigured(options))));
    this.ended = new Promise((resolve) => {
      this.mux.onClose((error) => {
        this.cancelRegistrationAlarm();
        clearTimeout(this.overdueTimer);
        this.stallWatch.stop();
        resolve(this.end ?? this.endOf(error));
      });
    });
    void this.register(deadline);
  }

  get phase(): Phase {
    return this.service.phase;
  }

  get runtime(): RuntimeInfo | undefined {
    return this.service.runtimeInfo;
  }

  /** Whether Synchronize should have come by now: until it does, no event comes. */
  get unsynchronized(): boolean {
    return this.overdue && this.phase === "synchronizing";
  }

  /** Whether the connection was of use, and did not end because we were too slow. */
  get served(): boolean {
    return this.service.lastInTime || this.service.shutdownCalled;
  }

  /** Ends the connection; what has been answered is still sent. */
  close(): void {
    this.finish({ kind: "aborted" });
  }

  private async register(deadline: Deadline): Promise<void> {
    const { identity, log } = this.options;
    const request = { pluginName: identity.name, pluginIdx: identity.index, NRIVersion: ownNriVersion };
    try {
      await this.client.call(runtimeService, "RegisterPlugin", registerPluginRequest.encode(request), { deadline });
      log.info({ plugin: identity.name, index: identity.index }, "registered with the runtime");
    } catch (thrown) {
      const error = toError(thrown);
      if (this.phase !== "registering" && error instanceof BridgeError && error.code === "CALL_TIMEOUT") {
        log.warn({ error: error.message }, "the runtime never answered the registration, and serves us all the same");
        return;
      }
      this.finish(error instanceof StatusError ? { kind: "refused", error } : this.endOf(error));
    }
  }

  private afterConfigure(error: unknown): void {
    this.cancelRegistrationAlarm();
    if (error === undefined) {
      this.expectSynchronize();
      return;
    }
    // What is wrong with our own settings stays so; a machine that was too slow, or a broken message, is a matter of that time.
    const ours = error instanceof BridgeError && error.code === "CONFIG";
    const end: SessionEnd = ours ? { kind: "misconfigured", error } : this.endOf(toError(error));
    // Once the answer is on its way: the runtime then knows why we go.
    setImmediate(() => this.finish(end));
  }

  /** It may take its time, as long as a container is being stopped: that is no reason to leave. */
  private expectSynchronize(): void {
    const { runtime } = this;
    const { log, synchronizeWithinMs } = this.options;
    if (runtime === undefined || this.phase !== "synchronizing" || !synchronizes(runtime)) return;
    clearTimeout(this.overdueTimer);
    this.overdueTimer = setTimeout(() => {
      if (this.phase !== "synchronizing") return;
      this.overdue = true;
      log.warn(
        { runtime: runtime.name, runtimeVersion: runtime.version },
        `not synchronized for ${synchronizeWithinMs / 1000} s: the runtime sends no events before, and no plugin runs`,
      );
    }, synchronizeWithinMs).unref();
  }

  /** What reached no handler may have been Synchronize, which is not sent again. */
  private afterRefusal(error: unknown): void {
    const unknown = error instanceof StatusError && error.code === Code.Unimplemented;
    if (this.phase === "synchronizing" && !unknown) this.afterSynchronize(toError(error));
  }

  /**
   * compat: before NRI 0.12 a runtime keeps the connection of a plugin that did not synchronize, and never sends it an
   * event (containerd#13901). A new connection is the only way out; from 0.12 on the runtime hangs up as well.
   */
  private afterSynchronize(outcome: RuntimeInfo | Error): void {
    if (this.mux.closed) return;
    if (outcome instanceof Error) {
      this.options.log.warn({ error: outcome.message }, "not synchronized, the runtime would send no events");
      this.finish({ kind: "lost", phase: "synchronizing", error: outcome });
      return;
    }
    this.options.log.info({}, "synchronized with the runtime");
    try {
      this.options.handlers.synchronized?.(outcome);
    } catch (thrown) {
      this.options.log.error({ error: errorText(thrown) }, "a handler failed");
    }
  }

  private finish(end: SessionEnd): void {
    this.end ??= end;
    this.mux.close();
  }

  private endOf(error: Error | undefined): SessionEnd {
    if (this.service.shutdownCalled) return { kind: "shutdown" };
    return { kind: "lost", phase: this.phase, ...(error === undefined ? {} : { error }) };
  }
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown));
}

function notConfigured({ registrationTimeoutMs }: SessionOptions): BridgeError {
  return new BridgeError("CALL_TIMEOUT", `the runtime did not configure the plugin within ${registrationTimeoutMs} ms`);
}
