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

/** The bridge replaces a process that has waited for a request this long, in milliseconds. */
const maxAgeMs = 300_000;
/** The interval at which the bridge looks for such processes and for changed binaries, in milliseconds. */
const renewEveryMs = 30_000;
/** How long a process of a new binary has to wait in silence before the bridge uses one of its processes, in milliseconds. */
const defaultProofMs = 2_000;

type Waiting = Omit<WaitingProcess, "process">;
type AheadStarter = Starter<Waiting> & Pick<ProcessStarter, "refusalOf">;

/**
 * A starter that, for commands with `startAhead`, keeps processes waiting for their request on stdin, so that a run does not wait
 * for a start, which is most of an interpreter's time. A waiting process serves only a run of exactly its command, while the
 * plugin's binary and `conf` are unchanged and only root can change the binary; otherwise the run starts a new process. This
 * starter does not replace a used process during the chain: the owner of the chain calls `rearm` when the answer is on its way.
 */
export class StartAhead implements Starter {
  /** The waiting processes of each plugin, by its argv[0]. */
  private readonly pools = new Map<string, Pool>();
  /**
   * The first command that asked for a waiting process since the last `rearm`, by argv[0]. When conf.json has two entries of a
   * plugin, only the first to run gets waiting processes.
   */
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
   * Starts the missing processes after the work of this turn of the event loop, so that the answer just written leaves first.
   * @param types gives the plugins that conf.json still lists; this ends the waiting processes of other plugins
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

  /** A waiting process for a run of this command; null when the caller has to start one. */
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
    // The caller then starts the command, and that start reports the refusal.
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
  /** The waiting processes, oldest first, each with its start time in milliseconds of the monotonic clock. */
  private readonly waiting = new Map<Waiting, number>();
  private starting = 0;
  private readonly stamp: string;
  /**
   * A process of this binary has waited for `proofMs` without output, so the binary waits for its stdin. Until then no process is
   * used: a binary that ignores its stdin may also still run when the next request comes soon.
   */
  private proven = false;
  /** The pool starts no more processes: the binary does not wait for its stdin, or the pool is not needed any more. */
  private closed = false;

  constructor(
    readonly command: StartCommand,
    private readonly starter: AheadStarter,
    private readonly log: Log,
    private readonly proofMs: number,
  ) {
    this.stamp = stampOf(command.path);
  }

  /** Whether the command equals the pool's, and the binary is unchanged since the pool was made. */
  serves(command: StartCommand): boolean {
    return isDeepStrictEqual(this.command, command) && stampOf(command.path) === this.stamp;
  }

  /** Removes and returns the oldest waiting process; null when there is none, or the binary is not proven yet. */
  take(): Waiting | null {
    const [oldest] = this.proven ? this.waiting.keys() : [];
    if (oldest === undefined) return null;
    this.waiting.delete(oldest);
    return oldest;
  }

  /** Starts the processes that are missing from `startAhead`. */
  fill(): void {
    if (this.closed || this.stamp === "") return;
    const { startAhead = 0 } = this.command;
    for (let missing = startAhead - this.waiting.size - this.starting; missing > 0; missing--) void this.startOne();
  }

  /** Replaces the processes that have waited longer than `maxAgeMs`. */
  renew(): void {
    const oldest = performance.now() - maxAgeMs;
    for (const [process, startedAt] of this.waiting) {
      if (startedAt < oldest && this.waiting.delete(process)) void process.abandon();
    }
    this.fill();
  }

  /** Ends the waiting processes; settles when they are gone. */
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
      this.log.debug({ plugin: argv0, path, ...process }, "the bridge could not start a plugin ahead (startAhead)");
      return;
    }
    // The bridge knows which file the process executes only when the file was the same before and after the start.
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
    this.log.warn({ plugin: argv0, path, why }, "the bridge no longer starts this plugin ahead (startAhead)");
    await this.close();
  }
}

/** The stamp of a file; "" when the file cannot be examined, as when it is missing. */
function stampOf(path: string): string {
  return attempt(() => fileStamp(path)) ?? "";
}
