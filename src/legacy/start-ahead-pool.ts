import { statSync } from "node:fs";

import type { Log } from "../logger.js";
import type { SpawnCommand, Spawner, SpawnOptions, SpawnResult, WaitingProcess } from "./spawner.js";

/** The processes of one plugin that wait for their requests. */
export class StartAheadPool {
  private readonly waiting = new Set<WaitingProcess>();
  private starting = 0;
  /** Of the binary that the waiting processes execute. */
  private stamp = "";
  /** The binary that did not wait for its stdin: a newer one is given another chance. */
  private refusedStamp = "";
  private closed = false;

  /** `count`: so many are to wait. */
  constructor(
    readonly command: SpawnCommand,
    public count: number,
    private readonly spawner: Spawner,
    private readonly log: Log,
    private readonly maxAgeMs: number,
  ) {}

  /** Gives the request to one that waits, the oldest; null when there is none that may be used. */
  hand(options: SpawnOptions): Promise<SpawnResult> | null {
    if (this.waiting.size === 0) return null;
    if (stampOf(this.command.path) !== this.stamp) {
      void this.endAll();
      return null;
    }
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

  /** Replaces those that have waited long, or for another binary. */
  renew(): void {
    const old = [...this.waiting].filter((process) => this.isOld(process));
    for (const process of old) void this.end(process);
    if (old.length > 0 || stampOf(this.command.path) !== this.stamp) this.fill();
  }

  /** Ends those that wait; settles when they are gone. */
  close(): Promise<unknown> {
    this.closed = true;
    return this.endAll();
  }

  private async startOne(): Promise<void> {
    this.starting++;
    const { stamp } = this;
    const preparation = await this.spawner.prepare(this.command);
    this.starting--;
    const { path, argv0 } = this.command;
    if (!preparation.started) {
      this.log.debug({ plugin: argv0, path, code: preparation.code }, "a plugin could not be started ahead");
      return;
    }
    const { process } = preparation;
    // What was executed is only known when the file was the same before and after.
    if (this.closed || stamp !== this.stamp || stampOf(path) !== stamp) {
      await process.end();
      return;
    }
    this.waiting.add(process);
    const state = await process.over;
    this.waiting.delete(process);
    if (state === "ended" || state === "spoke") this.refuse(stamp, state);
  }

  private refuse(stamp: string, state: "ended" | "spoke"): void {
    if (stamp === this.refusedStamp) return;
    this.refusedStamp = stamp;
    void this.endAll();
    const { path, argv0 } = this.command;
    const why = state === "ended" ? "it ended" : "it printed something";
    this.log.warn({ plugin: argv0, path, why: `${why} before it got a request` }, "a plugin cannot be started ahead");
  }

  private isOld({ startedAt }: WaitingProcess): boolean {
    return performance.now() - startedAt > this.maxAgeMs;
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
