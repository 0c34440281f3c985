import { isDeepStrictEqual } from "node:util";
import { attempt } from "../base/errors.js";
import { fileStamp } from "../base/files.js";
import type { Log } from "../base/logger.js";
import type { StartFault } from "./spawner.js";
import {
  type ProcessStarter,
  type StartCommand,
  type Started,
  type Starter,
  startAndGive,
  type WaitingProcess,
} from "./start.js";

/** How long a process waits before it is replaced by a new one. */
const maxAgeMs = 300_000;
/** How often to look for those, and for binaries that have changed. */
const renewEveryMs = 30_000;
/** How long a new binary is watched while it waits, before one of its processes is used. */
const defaultProofMs = 2_000;

type Waiting = Omit<WaitingProcess, "process">;
type AheadStarter = Starter<Waiting> & Pick<ProcessStarter, "refusalOf">;

/**
 * A starter that, for commands which ask for it (`startAhead`), keeps processes waiting on their stdin, so that a run
 * costs no start: most of what an interpreter takes. A process that waits serves a run of exactly its command, with the
 * binary and its `conf` unchanged, while root alone can change that; else the run starts one anew. It is not replaced during the
 * chain: the owner of the chain calls `rearm` when the answer is on its way.
 */
export class StartAhead implements Starter {
  /** By argv[0]. */
  private readonly pools = new Map<string, Pool>();
  /** The first command of each plugin that asked since the last `rearm`: of two in conf.json the first is served. */
  private readonly asked = new Map<string, StartCommand>();
  private readonly timer: NodeJS.Timeout;
  private pendingRearm: NodeJS.Immediate | undefined;

  constructor(
    private readonly starter: AheadStarter,
    private readonly log: Log,
    private readonly proofMs = defaultProofMs,
  ) {
    this.timer = setInterval(() => this.renew(), renewEveryMs).unref();
  }

  async start(command: StartCommand): Promise<Started | StartFault> {
    const waiting = this.take(command);
    if (waiting === null) return this.starter.start(command);
    return {
      pid: waiting.pid,
      give: (request, options) =>
        waiting.offer(request, options) ?? startAndGive(this.starter, command, request, options),
      abandon: () => waiting.abandon(),
    };
  }

  /**
   * Starts what is missing, after what is under way in this turn: the answer that was just written goes out first.
   * `types` gives the plugins that conf.json still has; processes of others are ended.
   */
  rearm(types?: () => readonly string[]): void {
    if (this.pools.size === 0 && this.asked.size === 0) return;
    const kept = types?.();
    for (const argv0 of this.pools.keys()) if (kept?.includes(argv0) === false) this.drop(argv0);
    this.pendingRearm ??= setImmediate(() => {
      this.pendingRearm = undefined;
      for (const [argv0, command] of this.asked) {
        if (this.pools.get(argv0)?.serves(command) === true) continue;
        this.drop(argv0);
        this.pools.set(argv0, new Pool(command, this.starter, this.log, this.proofMs));
      }
      this.asked.clear();
      for (const pool of this.pools.values()) pool.fill();
    });
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    clearImmediate(this.pendingRearm);
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
    await this.starter.close();
  }

  /** The process that waits for a run of this command; null when it is to be started anew. */
  private take(command: StartCommand): Waiting | null {
    const { startAhead, argv0 } = command;
    if (startAhead === undefined) return null;
    if (startAhead === 0) {
      this.drop(argv0);
      return null;
    }
    if (!this.asked.has(argv0)) this.asked.set(argv0, command);
    const pool = this.pools.get(argv0);
    if (pool === undefined || !pool.serves(command)) return null;
    if (this.starter.refusalOf(command) === null) return pool.take();
    // The start says why.
    this.drop(argv0);
    return null;
  }

  private drop(argv0: string): void {
    void this.pools.get(argv0)?.close();
    this.pools.delete(argv0);
  }

  private renew(): void {
    for (const [argv0, pool] of this.pools) {
      if (pool.serves(pool.command) && this.starter.refusalOf(pool.command) === null) pool.renew();
      else this.drop(argv0);
    }
  }
}

/** The processes of one command and one binary that wait for their requests. */
class Pool {
  /** Each with the time of its start, in milliseconds of the monotonic clock; the oldest first. */
  private readonly waiting = new Map<Waiting, number>();
  private starting = 0;
  private readonly stamp: string;
  /**
   * A process that has waited this long in silence shows that the binary waits for its stdin. Until then none is used: one that does
   * not look at its stdin has not yet ended either when the next request comes soon.
   */
  private proven = false;
  /** The binary does not wait for its stdin, or nothing is wanted any more. */
  private closed = false;

  constructor(
    readonly command: StartCommand,
    private readonly starter: AheadStarter,
    private readonly log: Log,
    private readonly proofMs: number,
  ) {
    this.stamp = stampOf(command.path);
  }

  /** Whether the command is the pool's, and the binary still the same. */
  serves(command: StartCommand): boolean {
    return isDeepStrictEqual(this.command, command) && stampOf(command.path) === this.stamp;
  }

  /** The oldest; null when there is none that may be used. */
  take(): Waiting | null {
    const [oldest] = this.proven ? this.waiting.keys() : [];
    if (oldest === undefined) return null;
    this.waiting.delete(oldest);
    return oldest;
  }

  /** Starts what is missing. */
  fill(): void {
    if (this.closed || this.stamp === "") return;
    const { startAhead = 0 } = this.command;
    for (let missing = startAhead - this.waiting.size - this.starting; missing > 0; missing--) void this.startOne();
  }

  /** Replaces those that have waited long. */
  renew(): void {
    const oldest = performance.now() - maxAgeMs;
    for (const [process, startedAt] of this.waiting) {
      if (startedAt < oldest && this.waiting.delete(process)) void process.abandon();
    }
    this.fill();
  }

  /** Ends those that wait; settles when they are gone. */
  close(): Promise<unknown> {
    this.closed = true;
    const processes = [...this.waiting.keys()];
    this.waiting.clear();
    return Promise.all(processes.map((process) => process.abandon()));
  }

  private async startOne(): Promise<void> {
    this.starting++;
    const startedAt = performance.now();
    const process = await this.starter.start(this.command);
    this.starting--;
    const { path, argv0 } = this.command;
    if ("code" in process) {
      this.log.debug({ plugin: argv0, path, ...process }, "could not start a plugin ahead of its request");
      return;
    }
    // The executed file is known only when the file was the same before and after.
    if (this.closed || stampOf(path) !== this.stamp) {
      await process.abandon();
      return;
    }
    this.waiting.set(process, startedAt);
    const timer = setTimeout(() => {
      this.proven = true;
    }, this.proofMs).unref();
    const why = await process.watch();
    clearTimeout(timer);
    this.waiting.delete(process);
    if (why === null || this.closed) return;
    this.log.warn({ plugin: argv0, path, why }, "cannot start a plugin ahead of its request");
    await this.close();
  }
}

/** "" when it is not there. */
function stampOf(path: string): string {
  return attempt(() => fileStamp(path)) ?? "";
}
