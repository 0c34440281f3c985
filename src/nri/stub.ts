import { type Clock, monotonicClock } from "../base/deadline.js";
import { attempt, errorText } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import type { Log } from "../base/logger.js";
import { Backoff, type BackoffOptions } from "./backoff.js";
import type { PluginHandlers, RuntimeInfo } from "./handlers.js";
import type { PluginIdentity } from "./identity.js";
import { Session, type SessionEnd } from "./session.js";
import { adoptTrunk, connectTrunk } from "./wire/socket.js";
import type { Trunk } from "./wire/trunk.js";

/** Where the runtime is: at a socket that we connect to, or behind a socket that it gave us when it launched us. */
export type RuntimeSocket =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "fd"; readonly fd: number };

/** Why a stub stopped. */
export type StubEnd = SessionEnd | { readonly kind: "connect-failed"; readonly error: Error };

export interface StubOptions {
  readonly identity: PluginIdentity;
  readonly socket: RuntimeSocket;
  readonly handlers: PluginHandlers;
  readonly log: Log;
  /** Ends the stub: { kind: "aborted" }. */
  readonly signal?: AbortSignal;
  /** Whether to connect again when the connection fails or is lost; on for a path, never for a launched plugin. */
  readonly reconnect?: boolean;
  /**
   * Milliseconds from the connection until registered and configured. Longer than the runtime's own 5 s: it takes its
   * plugins one after another, and hangs up when it is done with us.
   */
  readonly registrationTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /** When a Synchronize that has not come is told of, in milliseconds after Configure. */
  readonly synchronizeWithinMs?: number;
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
  /** Waits; rejects or resolves when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const defaultRegistrationTimeoutMs = 60_000;
const defaultConnectTimeoutMs = 5_000;
const defaultSynchronizeWithinMs = 10_000;

/**
 * The least between two registrations, in milliseconds: each waits for a lock of the runtime, and all that happens to
 * containers waits with it.
 */
const betweenRegistrationsMs = 2_000;
/** How often a wait looks whether there is a new runtime, in milliseconds. */
const lookEachMs = 250;

/**
 * A plugin of the runtime, for as long as there is one: connects, registers, hands events to the handlers, and connects
 * anew when the connection is lost. A socket's path is looked up each time, since a runtime that restarts makes a new one.
 */
export class PluginStub {
  private readonly abort = new AbortController();
  private readonly clock: Clock;
  private session: Session | undefined;
  private reregistering = false;
  private registeredAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: StubOptions) {
    this.clock = options.clock ?? monotonicClock;
  }

  /** The runtime that we are connected to, once it has configured us. */
  get runtime(): RuntimeInfo | undefined {
    return this.session?.runtime;
  }

  /** Whether events are delivered: registered, configured and synchronized. */
  get ready(): boolean {
    return this.session?.phase === "ready";
  }

  /** Whether we have waited for Synchronize for so long that it is worth a word. */
  get unsynchronized(): boolean {
    return this.session?.unsynchronized ?? false;
  }

  /** Runs to the end and tells which it was; throws nothing. To be called once. */
  async run(): Promise<StubEnd> {
    const { signal, socket, reconnect = true } = this.options;
    const onAbort = () => this.close();
    if (signal?.aborted) this.close();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return socket.kind === "path" && reconnect ? await this.runForEver(socket.path) : (await this.runOnce()).end;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Registers anew as soon as that may be, for another event mask; until then events come as before. Only where the runtime
   * did not launch us: it would not again.
   */
  reregister(): void {
    const { session } = this;
    void this.wait(this.untilNextRegistrationMs()).then(() => {
      if (session === undefined || session !== this.session) return;
      this.reregistering = true;
      session.close();
    });
  }

  /** Ends the run: { kind: "aborted" }. */
  close(): void {
    this.abort.abort();
    this.session?.close();
  }

  private async runForEver(path: string): Promise<StubEnd> {
    const { log } = this.options;
    const backoff = new Backoff(this.options.backoff);
    let said = "";
    for (;;) {
      await this.wait(this.untilNextRegistrationMs());
      const startedAt = this.clock();
      const socket = stampOf(path);
      const { end, served } = await this.runOnce();
      if (this.reregistering && !this.abort.signal.aborted) {
        this.reregistering = false;
        log.info({}, "registering anew");
        continue;
      }
      // What a new connection would not mend.
      if (end.kind === "aborted" || end.kind === "refused" || end.kind === "misconfigured") return end;
      const absent = end.kind === "connect-failed";
      const connectedMs = this.clock() - startedAt;
      const delayMs = Math.round(absent ? backoff.retryDelayMs() : backoff.nextDelayMs(connectedMs, served));
      // A runtime that is away for hours is told of once.
      const why = absent ? end.error.message : "";
      log[absent && why === said ? "debug" : "warn"](
        { ...endFields(end), delayMs },
        "no connection to the runtime, trying again later",
      );
      said = why;
      // A new runtime's pods want their plugins, whatever became of the connection to the old one.
      await this.wait(delayMs, () => stampOf(path) !== socket);
    }
  }

  private untilNextRegistrationMs(): number {
    return this.registeredAt + betweenRegistrationsMs - this.clock();
  }

  /** Waits for so long, until we are to end, or until there is no reason to wait any more. */
  private async wait(ms: number, over: () => boolean = () => false): Promise<void> {
    const { sleep = sleepFor } = this.options;
    const { signal } = this.abort;
    const until = this.clock() + ms;
    for (let leftMs = ms; leftMs > 0 && !signal.aborted && !over(); leftMs = until - this.clock()) {
      await sleep(Math.min(leftMs, lookEachMs), signal);
    }
  }

  private async runOnce(): Promise<{ readonly end: StubEnd; readonly served: boolean }> {
    const { handlers, identity, log, socket } = this.options;
    const { registrationTimeoutMs = defaultRegistrationTimeoutMs } = this.options;
    const { synchronizeWithinMs = defaultSynchronizeWithinMs } = this.options;
    if (this.abort.signal.aborted) return { end: { kind: "aborted" }, served: false };
    let trunk: Trunk;
    try {
      trunk = await this.connect();
    } catch (error) {
      const fault = error instanceof Error ? error : new Error(errorText(error));
      return { end: { kind: "connect-failed", error: fault }, served: false };
    }
    const socketPath = socket.kind === "path" ? socket.path : undefined;
    this.registeredAt = this.clock();
    const session = new Session(trunk, {
      identity,
      handlers,
      log,
      socketPath,
      registrationTimeoutMs,
      synchronizeWithinMs,
    });
    this.session = session;
    if (this.abort.signal.aborted) session.close();
    const end = await session.ended;
    this.session = undefined;
    return { end, served: session.served };
  }

  private async connect(): Promise<Trunk> {
    const { socket, connectTimeoutMs = defaultConnectTimeoutMs } = this.options;
    return socket.kind === "path" ? await connectTrunk(socket.path, connectTimeoutMs) : adoptTrunk(socket.fd);
  }
}

/** What tells a socket from the next one at its path: a runtime that starts makes a new one. Undefined where there is none. */
function stampOf(path: string): string | undefined {
  return attempt(() => fileStamp(path));
}

function endFields(end: StubEnd): object {
  return {
    end: end.kind,
    ...("phase" in end ? { phase: end.phase } : {}),
    ...("error" in end ? { error: end.error?.message } : {}),
  };
}

function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
