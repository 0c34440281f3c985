import type { Log } from "../base/logger.js";
import { findStartFault } from "./permissions.js";
import type { Preparation, SpawnCommand, Spawner, SpawnOptions, SpawnResult } from "./spawner.js";
import { type PoolLimits, StartAheadPool } from "./start-ahead-pool.js";

export interface StartAheadOptions {
  /** How long a process waits before it is replaced by a new one, in milliseconds. */
  readonly maxAgeMs?: number;
  /** How long a new binary is watched while it waits, before one of its processes is used, in milliseconds. */
  readonly proofMs?: number;
  /** How often to look for those, and for binaries that have changed, in milliseconds. */
  readonly renewEveryMs?: number;
}

/**
 * A spawner that, for commands which ask for it (`startAhead`), keeps processes waiting on their stdin, so that a run
 * costs no start: most of what an interpreter takes. A process that waits serves a run of exactly its command, with the
 * binary and its `conf` unchanged; else the run starts one anew, and those that wait are ended. It is not replaced during
 * the chain: the owner of the chain calls `rearm` when the answer is on its way.
 */
export class StartAhead implements Spawner {
  readonly name: string;
  /** By argv[0]: what its runs are now says what is to wait. */
  private readonly pools = new Map<string, StartAheadPool>();
  /** Whose processes were asked for since the last `rearm`. */
  private readonly asked = new Set<string>();
  private readonly limits: PoolLimits;
  private readonly timer: NodeJS.Timeout;
  private pendingRearm: NodeJS.Immediate | undefined;

  constructor(
    private readonly spawner: Spawner,
    private readonly log: Log,
    { maxAgeMs = 300_000, proofMs = 2_000, renewEveryMs = 30_000 }: StartAheadOptions = {},
  ) {
    this.name = spawner.name;
    this.limits = { maxAgeMs, proofMs };
    this.timer = setInterval(() => this.renew(), renewEveryMs).unref();
  }

  run(options: SpawnOptions): Promise<SpawnResult> {
    const { startAhead, argv0 } = options;
    const pool = this.pools.get(argv0);
    const refusal = pool === undefined ? null : findStartFault(options, options.permissionFaultOf);
    if (refusal !== null) pool?.forbid(refusal);
    if (startAhead === undefined || refusal !== null) return this.spawner.run(options);
    if (startAhead <= 0) {
      this.drop(argv0);
      return this.spawner.run(options);
    }
    // Twice in conf.json: the first is served, so that the two do not end each other's.
    if (pool !== undefined && !isSame(pool.command, options) && this.asked.has(argv0)) return this.spawner.run(options);
    this.asked.add(argv0);
    return this.want(options, startAhead).hand(options) ?? this.spawner.run(options);
  }

  prepare(command: SpawnCommand): Promise<Preparation> {
    return this.spawner.prepare(command);
  }

  /** So many processes of a command are to wait, from the next `rearm` on; a first run need not come before that. */
  want(command: SpawnCommand, count: number): StartAheadPool {
    const { path, argv0, args, env, cwd, guarded, conf } = command;
    let pool = this.pools.get(argv0);
    if (pool === undefined || !isSame(pool.command, command)) {
      this.drop(argv0);
      const own = { path, argv0, args, env, cwd, guarded, ...(conf === undefined ? {} : { conf }) };
      pool = new StartAheadPool(own, count, this.spawner, this.log, this.limits);
      this.pools.set(argv0, pool);
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
    await this.spawner.close();
  }

  private drop(argv0: string): void {
    void this.pools.get(argv0)?.close();
    this.pools.delete(argv0);
  }

  private renew(): void {
    for (const pool of this.pools.values()) pool.renew();
  }
}

function isSame(one: SpawnCommand, other: SpawnCommand): boolean {
  if (one.path !== other.path || one.cwd !== other.cwd || one.conf !== other.conf) return false;
  if (one.guarded !== other.guarded) return false;
  if (one.args.length !== other.args.length) return false;
  if (one.args.some((argument, i) => argument !== other.args[i])) return false;
  const names = Object.keys(one.env);
  return names.length === Object.keys(other.env).length && names.every((name) => one.env[name] === other.env[name]);
}
