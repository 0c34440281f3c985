import type { Log } from "../logger.js";
import type { Preparation, SpawnCommand, Spawner, SpawnOptions, SpawnResult } from "./spawner.js";
import { StartAheadPool } from "./start-ahead-pool.js";

export interface StartAheadOptions {
  /** How long a process waits before it is replaced by a new one, in milliseconds. */
  readonly maxAgeMs?: number;
  /** How often to look for those, and for binaries that have changed, in milliseconds. */
  readonly renewEveryMs?: number;
}

/**
 * A spawner that, for commands which ask for it (`startAhead`), keeps processes waiting on their stdin, so that a run
 * costs no start: most of what an interpreter takes. A process that waits serves a run of exactly its command, with the
 * binary unchanged; else the run starts one anew. It is not replaced during the chain: the owner of the chain calls
 * `rearm` when the answer is on its way.
 */
export class StartAhead implements Spawner {
  readonly name: string;
  private readonly pools = new Map<string, StartAheadPool>();
  private readonly maxAgeMs: number;
  private readonly timer: NodeJS.Timeout;
  private pendingRearm: NodeJS.Immediate | undefined;

  constructor(
    private readonly spawner: Spawner,
    private readonly log: Log,
    { maxAgeMs = 300_000, renewEveryMs = 30_000 }: StartAheadOptions = {},
  ) {
    this.name = spawner.name;
    this.maxAgeMs = maxAgeMs;
    this.timer = setInterval(() => this.renew(), renewEveryMs).unref();
  }

  run(options: SpawnOptions): Promise<SpawnResult> {
    const { startAhead = 0 } = options;
    if (startAhead <= 0) return this.spawner.run(options);
    return this.want(options, startAhead).hand(options) ?? this.spawner.run(options);
  }

  prepare(command: SpawnCommand): Promise<Preparation> {
    return this.spawner.prepare(command);
  }

  /** So many processes of a command are to wait, from the next `rearm` on; a first run need not come before that. */
  want(command: SpawnCommand, count: number): StartAheadPool {
    const key = `${command.argv0}\0${command.path}`;
    let pool = this.pools.get(key);
    if (pool !== undefined && !isSame(pool.command, command)) {
      void pool.close();
      pool = undefined;
    }
    if (pool === undefined) {
      const { path, argv0, args, env, cwd } = command;
      pool = new StartAheadPool({ path, argv0, args, env, cwd }, count, this.spawner, this.log, this.maxAgeMs);
      this.pools.set(key, pool);
    }
    pool.count = count;
    return pool;
  }

  /**
   * Starts what is missing, after what is under way in this turn: the answer that was just written goes out first.
   * `types` gives the plugins that conf.json still has; processes of others are ended.
   */
  rearm(types?: () => readonly string[]): void {
    if (this.pools.size === 0) return;
    const kept = types?.();
    for (const [key, pool] of this.pools) {
      if (kept === undefined || kept.includes(pool.command.argv0)) continue;
      this.pools.delete(key);
      void pool.close();
    }
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

  private renew(): void {
    for (const pool of this.pools.values()) pool.renew();
  }
}

function isSame(one: SpawnCommand, other: SpawnCommand): boolean {
  if (one.cwd !== other.cwd || one.args.length !== other.args.length) return false;
  if (one.args.some((argument, i) => argument !== other.args[i])) return false;
  const names = Object.keys(one.env);
  return names.length === Object.keys(other.env).length && names.every((name) => one.env[name] === other.env[name]);
}
