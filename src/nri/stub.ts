import { setTimeout as timeout } from "node:timers/promises";
import { type Clock, monotonicClock } from "../base/deadline.js";
import { attempt, toError } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import { Backoff } from "./backoff.js";
import type { RuntimeInfo } from "./handlers.js";
import { Session, type SessionEnd, type SessionOptions } from "./session.js";
import { adoptTrunk, connectTrunk } from "./wire/socket.js";
import type { Trunk } from "./wire/trunk.js";

/** Where the runtime is: at a socket that we connect to, or behind a socket that it gave us when it launched us. */
export type RuntimeSocket =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "fd"; readonly fd: number };

/** Why a stub stopped. */
export type StubEnd = SessionEnd | { readonly kind: "connect-failed"; readonly error: Error };

export interface StubOptions extends SessionOptions {
  readonly socket: RuntimeSocket;
  /** Whether to connect again when the connection to a path fails or is lost; never for a launched plugin. */
  readonly reconnect: boolean;
  /** For the back-off, in [0, 1). */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** Waits; ends at once when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const connectTimeoutMs = 5_000;

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

  /** Whether we have waited too long for Synchronize. */
  get unsynchronized(): boolean {
    return this.session?.unsynchronized ?? false;
  }

  /** Runs to the end and tells which it was; throws nothing. To be called once. */
  async run(): Promise<StubEnd> {
    const { socket, reconnect } = this.options;
    return socket.kind === "path" && reconnect ? await this.runForEver(socket.path) : (await this.runOnce()).end;
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
    const backoff = new Backoff(this.options.random);
    let said = "";
    for (;;) {
      await this.wait(this.untilNextRegistrationMs());
      const startedAt = this.clock();
      const stamp = stampOf(path);
      const { end, served } = await this.runOnce();
      if (this.reregistering && !this.abort.signal.aborted) {
        this.reregistering = false;
        log.info({}, "registering with the runtime again");
        continue;
      }
      // A new connection would not help here.
      if (end.kind === "aborted" || end.kind === "refused" || end.kind === "misconfigured") return end;
      const absent = end.kind === "connect-failed";
      const connectedMs = this.clock() - startedAt;
      const delayMs = Math.round(absent ? backoff.retryDelayMs() : backoff.nextDelayMs(connectedMs, served));
      // A runtime that is away for hours is told of once.
      const why = absent ? end.error.message : "";
      const { kind, error, ...rest } = { error: undefined, ...end };
      const fields = { end: kind, ...rest, error: error?.message, delayMs };
      log[absent && why === said ? "debug" : "warn"](fields, "no connection to the runtime, trying again later");
      said = why;
      // A new runtime's pods want their plugins, whatever became of the connection to the old one.
      await this.wait(delayMs, () => stampOf(path) !== stamp);
    }
  }

  private untilNextRegistrationMs(): number {
    return this.registeredAt + betweenRegistrationsMs - this.clock();
  }

  /** Waits for this time, until we are to end, or until there is no reason to wait any more. */
  private async wait(ms: number, over: () => boolean = () => false): Promise<void> {
    const { sleep = sleepFor } = this.options;
    const { signal } = this.abort;
    const until = this.clock() + ms;
    for (let leftMs = ms; leftMs > 0 && !signal.aborted && !over(); leftMs = until - this.clock()) {
      await sleep(Math.min(leftMs, lookEachMs), signal);
    }
  }

  private async runOnce(): Promise<{ readonly end: StubEnd; readonly served: boolean }> {
    const { socket } = this.options;
    if (this.abort.signal.aborted) return { end: { kind: "aborted" }, served: false };
    let trunk: Trunk;
    try {
      trunk = socket.kind === "path" ? await connectTrunk(socket.path, connectTimeoutMs) : adoptTrunk(socket.fd);
    } catch (error) {
      return { end: { kind: "connect-failed", error: toError(error) }, served: false };
    }
    this.registeredAt = this.clock();
    const session = new Session(trunk, this.options, socket.kind === "path" ? socket.path : undefined);
    this.session = session;
    if (this.abort.signal.aborted) session.close();
    const end = await session.ended;
    this.session = undefined;
    return { end, served: session.served };
  }
}

/** Tells a socket from the next one at its path: a runtime that starts makes a new one. Undefined where there is none. */
function stampOf(path: string): string | undefined {
  return attempt(() => fileStamp(path));
}

async function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { signal }).catch(() => {});
}
