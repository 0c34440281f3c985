import { statSync } from "node:fs";

import type { Log } from "../base/logger.js";
import { findStartFault } from "./permissions.js";
import type { Preparation, SpawnCommand, Spawner, SpawnOptions, SpawnResult, WaitingProcess } from "./spawner.js";

export interface PoolLimits {
  readonly maxAgeMs: number;
  readonly proofMs: number;
}

/** Why a binary is refused: what one of its processes did before it had a request. */
const refusals = {
  ended: "it ended before it got a request",
  spoke: "it printed something before it got a request",
  deaf: "it does not read its stdin",
} as const;

/** The processes of one plugin that wait for their requests. */
export class StartAheadPool {
  private readonly waiting = new Set<WaitingProcess>();
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

  /** `count`: so many are to wait. */
  constructor(
    readonly command: SpawnCommand,
    public count: number,
    private readonly spawner: Spawner,
    private readonly log: Log,
    private readonly limits: PoolLimits,
  ) {}

  /** Gives the request to one that waits, the oldest; null when there is none that may be used. */
  hand(options: SpawnOptions): Promise<SpawnResult> | null {
    if (this.waiting.size === 0) return null;
    if (stampOf(this.command.path) !== this.stamp) {
      void this.endAll();
      return null;
    }
    if (this.stamp !== this.provenStamp) return null;
    for (const process of this.waiting) {
      if (this.isOld(process)) continue;
      const run = process.hand(options);
      this.waiting.delete(process);
      if (run !== null) return run;
    }
    return null;
  }

  /** Starts what is missing. */
  fill(): void {
    const stamp = stampOf(this.command.path);
    if (stamp !== this.stamp) void this.endAll();
    this.stamp = stamp;
    if (this.closed || stamp === "" || stamp === this.refusedStamp) return;
    for (const process of [...this.waiting].slice(this.count)) void this.end(process);
    for (let missing = this.count - this.waiting.size - this.starting; missing > 0; missing--) void this.startOne();
  }

  /** Replaces those that have waited long, or for another binary; ends them when others can change that. */
  renew(): void {
    const old = [...this.waiting].filter((process) => this.isOld(process));
    for (const process of old) void this.end(process);
    if (old.length > 0 || stampOf(this.command.path) !== this.stamp) this.fill();
    const fault = this.waiting.size === 0 ? null : findStartFault(this.command);
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
    let preparation: Preparation;
    try {
      preparation = await this.spawner.prepare(this.command);
    } finally {
      this.starting--;
    }
    const { path, argv0 } = this.command;
    if (!preparation.started) {
      const { code, refusal } = preparation;
      if (refusal !== undefined) this.forbid(refusal);
      else this.log.debug({ plugin: argv0, path, code }, "a plugin could not be started ahead");
      return;
    }
    const { process } = preparation;
    this.forbiddenFor = "";
    // What was executed is only known when the file was the same before and after.
    if (this.closed || stamp !== this.stamp || stampOf(path) !== stamp) {
      await process.end();
      return;
    }
    this.waiting.add(process);
    const timer = setTimeout(() => this.prove(process, stamp), this.limits.proofMs).unref();
    const state = await process.over;
    clearTimeout(timer);
    this.waiting.delete(process);
    if (state === "ended" || state === "spoke" || state === "deaf") this.refuse(stamp, state);
  }

  private prove(process: WaitingProcess, stamp: string): void {
    if (process.listens() && stamp === this.stamp && stamp !== this.refusedStamp) this.provenStamp = stamp;
  }

  private refuse(stamp: string, state: keyof typeof refusals): void {
    if (stamp === this.refusedStamp) return;
    this.refusedStamp = stamp;
    void this.endAll();
    this.warn(refusals[state]);
  }

  private warn(why: string): void {
    const { path, argv0 } = this.command;
    this.log.warn({ plugin: argv0, path, why }, "a plugin cannot be started ahead");
  }

  private isOld({ startedAt }: WaitingProcess): boolean {
    return performance.now() - startedAt > this.limits.maxAgeMs;
  }

  private end(process: WaitingProcess): Promise<void> {
    this.waiting.delete(process);
    return process.end();
  }

  private endAll(): Promise<unknown> {
    return Promise.all([...this.waiting].map((process) => this.end(process)));
  }
}

/** What changes when the file does, by an edit in place as well as by a rename; "" when it is not there. */
function stampOf(path: string): string {
  try {
    const { dev, ino, mtimeNs, ctimeNs, size } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${mtimeNs}:${ctimeNs}:${size}`;
  } catch {
    return "";
  }
}
