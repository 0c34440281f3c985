import { setTimeout as timeout } from "node:timers/promises";
import { type Clock, monotonicClock } from "../base/deadline.js";
import { attempt, toError } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import { Backoff } from "./backoff.js";
import type { RuntimeInfo } from "./handlers.js";
import { Session, type SessionEnd, type SessionOptions } from "./session.js";
import { adoptTrunk, connectTrunk } from "./wire/socket.js";
import type { Trunk } from "./wire/trunk.js";

/**
 * How the bridge reaches the runtime: by the path of a socket to connect to, or by the descriptor of a connected socket that the
 * bridge inherited from the runtime, which launched it.
 */
export type RuntimeSocket =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "fd"; readonly fd: number };

/** Why a stub stopped. */
export type StubEnd = SessionEnd | { readonly kind: "connect-failed"; readonly error: Error };

export interface StubOptions extends SessionOptions {
  readonly socket: RuntimeSocket;
  /** Whether to connect again when the connection to a path fails or is lost; without effect for a socket of kind "fd". */
  readonly reconnect: boolean;
  /** The random number for the jitter of the back-off, in [0, 1). */
  readonly random?: () => number;
  readonly clock?: Clock;
  /** Resolves after `ms` milliseconds, or as soon as the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const connectTimeoutMs = 5_000;

/**
 * The shortest time between two registrations, in milliseconds. Each registration waits for a lock of the runtime, and the
 * runtime's container operations wait meanwhile.
 */
const betweenRegistrationsMs = 2_000;
/** How often a wait checks whether it can end early, as when a runtime has made a new socket, in milliseconds. */
const lookEachMs = 250;

/**
 * The bridge as an NRI plugin of the runtime: connects, registers, hands events to the handlers, and connects again when the
 * connection is lost. Each connect opens the socket by its path, since a restarted runtime makes a new socket.
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

  /** The runtime at the other end; undefined without a connection, and before the runtime has sent Configure. */
  get runtime(): RuntimeInfo | undefined {
    return this.session?.runtime;
  }

  /** Whether the bridge is registered, configured and synchronized, so that the runtime sends events. */
  get ready(): boolean {
    return this.session?.phase === "ready";
  }

  /** Whether the runtime's Synchronize is overdue (`synchronizeWithinMs` after Configure). */
  get unsynchronized(): boolean {
    return this.session?.unsynchronized ?? false;
  }

  /** Runs until the stub stops for good, and returns why. Throws nothing. Call this only once. */
  async run(): Promise<StubEnd> {
    const { socket, reconnect } = this.options;
    return socket.kind === "path" && reconnect ? await this.runForEver(socket.path) : (await this.runOnce()).end;
  }

  /**
   * Closes the connection and registers again, to subscribe to other events, no sooner than `betweenRegistrationsMs` after the last
   * registration; events of the old subscription come until then. Not for a bridge that the runtime launched, as the runtime would
   * not launch it again.
   */
  reregister(): void {
    const { session } = this;
    void this.wait(this.untilNextRegistrationMs()).then(() => {
      if (session === undefined || session !== this.session) return;
      this.reregistering = true;
      session.close();
    });
  }

  /** Ends `run`, which then returns { kind: "aborted" }. */
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
        log.info({}, "the bridge registers with the runtime again, to get other events");
        continue;
      }
      // After these ends a new connection would end in the same way.
      if (end.kind === "aborted" || end.kind === "refused" || end.kind === "misconfigured") return end;
      const absent = end.kind === "connect-failed";
      const connectedMs = this.clock() - startedAt;
      const delayMs = Math.round(absent ? backoff.retryDelayMs() : backoff.nextDelayMs(connectedMs, served));
      // The first failed connect is a warning; further ones with the same reason are logged at debug level only.
      const why = absent ? end.error.message : "";
      const { kind, error, ...rest } = { error: undefined, ...end };
      const fields = { end: kind, ...rest, error: error?.message, delayMs };
      log[absent && why === said ? "debug" : "warn"](fields, "not connected to the runtime: the bridge tries again");
      said = why;
      // A new socket ends the wait: the pods of the new runtime need their plugins, however the old connection ended.
      await this.wait(delayMs, () => stampOf(path) !== stamp);
    }
  }

  private untilNextRegistrationMs(): number {
    return this.registeredAt + betweenRegistrationsMs - this.clock();
  }

  /** Waits for `ms` milliseconds; less when `close` is called, or when `over` returns true. */
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

/** A text that changes when a starting runtime makes a new socket at the path. Undefined where there is no socket. */
function stampOf(path: string): string | undefined {
  return attempt(() => fileStamp(path));
}

async function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { signal }).catch(() => {});
}
