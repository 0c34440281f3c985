import { fileStamp } from "../base/files.js";
import type { Log } from "../base/logger.js";
import type { StartFault } from "./spawner.js";
import {
  refusalOf,
  type StartCommand,
  type Started,
  type Starter,
  startAndGive,
  type WaitingProcess,
} from "./start.js";

/** In milliseconds. */
export interface StartAheadOptions {
  /** How long a process waits before it is replaced by a new one. */
  readonly maxAgeMs?: number;
  /** How long a new binary is watched while it waits, before one of its processes is used. */
  readonly proofMs?: number;
  /** How often to look for those, and for binaries that have changed. */
  readonly renewEveryMs?: number;
}

/**
 * A starter that, for commands which ask for it (`startAhead`), keeps processes waiting on their stdin, so that a run
 * costs no start: most of what an interpreter takes. A process that waits serves a run of exactly its command, with the
 * binary and its `conf` unchanged; else the run starts one anew, and those that wait are ended. It is not replaced during
 * the chain: the owner of the chain calls `rearm` when the answer is on its way.
 */
export class StartAhead implements Starter {
  /** By argv[0]: what its runs are now says what is to wait. */
  private readonly pools = new Map<string, Pool>();
  /** Whose processes were asked for since the last `rearm`. */
  private readonly asked = new Set<string>();
  private readonly limits: Required<Pick<StartAheadOptions, "maxAgeMs" | "proofMs">>;
  private readonly timer: NodeJS.Timeout;
  private pendingRearm: NodeJS.Immediate | undefined;

  constructor(
    private readonly starter: Starter<WaitingProcess>,
    private readonly log: Log,
    { maxAgeMs = 300_000, proofMs = 2_000, renewEveryMs = 30_000 }: StartAheadOptions = {},
  ) {
    this.limits = { maxAgeMs, proofMs };
    this.timer = setInterval(() => this.renew(), renewEveryMs).unref();
  }

  async start(command: StartCommand): Promise<Started | StartFault> {
    const waiting = this.take(command);
    if (waiting === null) return this.starter.start(command);
    return {
      pid: waiting.pid,
      give: (request, options) =>
        waiting.hand(request, options) ?? startAndGive(this.starter, command, request, options),
      abandon: () => waiting.abandon(),
    };
  }

  /** This many processes of a command are to wait, from the next `rearm` on; a first run need not come before that. */
  want(command: StartCommand, count: number): Pool {
    let pool = this.pools.get(command.argv0);
    if (pool === undefined || !isSame(pool.command, command)) {
      this.drop(command.argv0);
      // What a chain knows of directories is old when its processes are renewed.
      const { permissionFaultOf: _, ...own } = command;
      pool = new Pool(own, count, this.starter, this.log, this.limits);
      this.pools.set(command.argv0, pool);
    }
    pool.count = count;
    return pool;
  }

  /**
   * Starts what is missing, after what is under way in this turn: the answer that was just written goes out first.
   * `types` gives the plugins that conf.json still has; processes of others are ended.
   */
  rearm(types?: () => readonly string[]): void {
    this.asked.clear();
    if (this.pools.size === 0) return;
    const kept = types?.();
    for (const argv0 of this.pools.keys()) if (kept?.includes(argv0) === false) this.drop(argv0);
    this.pendingRearm ??= setImmediate(() => {
      this.pendingRearm = undefined;
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
  private take(command: StartCommand): WaitingProcess | null {
    const { startAhead, argv0 } = command;
    const pool = this.pools.get(argv0);
    const refusal = pool === undefined ? null : refusalOf(command);
    // The start says so, too.
    if (refusal !== null) pool?.forbid(refusal);
    if (startAhead === undefined || refusal !== null) return null;
    if (startAhead <= 0) {
      this.drop(argv0);
      return null;
    }
    // Twice in conf.json: the first is served, so that the two do not end each other's.
    if (pool !== undefined && !isSame(pool.command, command) && this.asked.has(argv0)) return null;
    this.asked.add(argv0);
    return this.want(command, startAhead).take();
  }

  private drop(argv0: string): void {
    void this.pools.get(argv0)?.close();
    this.pools.delete(argv0);
  }

  private renew(): void {
    for (const pool of this.pools.values()) pool.renew();
  }
}

function isSame(one: StartCommand, other: StartCommand): boolean {
  if (one.path !== other.path || one.cwd !== other.cwd || one.conf !== other.conf) return false;
  if (one.guarded !== other.guarded) return false;
  if (one.args.length !== other.args.length) return false;
  if (one.args.some((argument, i) => argument !== other.args[i])) return false;
  const names = Object.keys(one.env);
  return names.length === Object.keys(other.env).length && names.every((name) => one.env[name] === other.env[name]);
}

/** Why a binary is refused: what one of its processes did before it had a request. */
const refusals = {
  ended: "it ended before it got a request",
  spoke: "it printed something before it got a request",
  deaf: "it does not read its stdin",
} as const;

/** The processes of one plugin that wait for their requests. */
class Pool {
  /** Each with the time of its start, in milliseconds of the monotonic clock; the oldest first. */
  private readonly waiting = new Map<WaitingProcess, number>();
  private starting = 0;
  /** Of the binary that the waiting processes execute. */
  private stamp = "";
  /** The binary that did not wait for its stdin: a newer one is given another chance. */
  private refusedStamp = "";
  /**
   * The binary of which a process has waited for so long, in silence, that it waits for its stdin. Until then none is used:
   * one that does not look at its stdin has not yet ended either when the next request comes soon.
   */
  private provenStamp = "";
  /** Why the file must not be executed, as it was said last. */
  private forbiddenFor = "";
  private closed = false;

  /** `count`: as many are to wait. */
  constructor(
    readonly command: StartCommand,
    public count: number,
    private readonly starter: Starter<WaitingProcess>,
    private readonly log: Log,
    private readonly limits: Required<Pick<StartAheadOptions, "maxAgeMs" | "proofMs">>,
  ) {}

  /** The oldest that may be used and listens; null when there is none. */
  take(): WaitingProcess | null {
    if (this.waiting.size === 0) return null;
    if (stampOf(this.command.path) !== this.stamp) {
      void this.endAll();
      return null;
    }
    if (this.stamp !== this.provenStamp) return null;
    for (const process of this.waiting.keys()) {
      if (this.isOld(process)) continue;
      const listens = process.listens();
      this.waiting.delete(process);
      if (listens) return process;
    }
    return null;
  }

  /** Starts what is missing. */
  fill(): void {
    const stamp = stampOf(this.command.path);
    if (stamp !== this.stamp) void this.endAll();
    this.stamp = stamp;
    if (this.closed || stamp === "" || stamp === this.refusedStamp) return;
    for (const process of [...this.waiting.keys()].slice(this.count)) void this.end(process);
    for (let missing = this.count - this.waiting.size - this.starting; missing > 0; missing--) void this.startOne();
  }

  /** Replaces those that have waited long, or for another binary; ends them when others can change that. */
  renew(): void {
    const old = [...this.waiting.keys()].filter((process) => this.isOld(process));
    for (const process of old) void this.end(process);
    if (old.length > 0 || stampOf(this.command.path) !== this.stamp) this.fill();
    const fault = this.waiting.size === 0 ? null : refusalOf(this.command);
    if (fault !== null) this.forbid(fault);
  }

  /** The file must not be executed: ends those that wait, and says why, once. */
  forbid(why: string): void {
    void this.endAll();
    if (why === this.forbiddenFor) return;
    this.forbiddenFor = why;
    this.warn(why);
  }

  /** Ends those that wait; settles when they are gone. */
  close(): Promise<unknown> {
    this.closed = true;
    return this.endAll();
  }

  private async startOne(): Promise<void> {
    this.starting++;
    const { stamp } = this;
    const startedAt = performance.now();
    const process = await this.starter.start(this.command);
    this.starting--;
    const { path, argv0 } = this.command;
    if ("code" in process) {
      const { code, refusal } = process;
      if (refusal !== undefined) this.forbid(refusal);
      else this.log.debug({ plugin: argv0, path, code }, "a plugin could not be started ahead");
      return;
    }
    this.forbiddenFor = "";
    // What was executed is only known when the file was the same before and after.
    if (this.closed || stamp !== this.stamp || stampOf(path) !== stamp) {
      await process.abandon();
      return;
    }
    this.waiting.set(process, startedAt);
    const timer = setTimeout(() => this.prove(process, stamp), this.limits.proofMs).unref();
    const end = await process.watch();
    clearTimeout(timer);
    this.waiting.delete(process);
    if (end === "ended" || end === "spoke" || end === "deaf") this.refuse(stamp, end);
  }

  private prove(process: WaitingProcess, stamp: string): void {
    if (process.listens() && stamp === this.stamp && stamp !== this.refusedStamp) this.provenStamp = stamp;
  }

  private refuse(stamp: string, end: keyof typeof refusals): void {
    if (stamp === this.refusedStamp) return;
    this.refusedStamp = stamp;
    void this.endAll();
    this.warn(refusals[end]);
  }

  private warn(why: string): void {
    const { path, argv0 } = this.command;
    this.log.warn({ plugin: argv0, path, why }, "a plugin cannot be started ahead");
  }

  private isOld(process: WaitingProcess): boolean {
    return performance.now() - (this.waiting.get(process) ?? 0) > this.limits.maxAgeMs;
  }

  private end(process: WaitingProcess): Promise<void> {
    this.waiting.delete(process);
    return process.abandon();
  }

  private endAll(): Promise<unknown> {
    return Promise.all([...this.waiting.keys()].map((process) => this.end(process)));
  }
}

/** "" when it is not there. */
function stampOf(path: string): string {
  try {
    return fileStamp(path);
  } catch {
    return "";
  }
}
