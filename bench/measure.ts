import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** One thing to measure, beside others in the same run. */
export interface Candidate {
  readonly name: string;
  /** Does it once. Gives its microseconds when it measures them itself; else the time of the call counts. */
  run(): Promise<number | undefined>;
  /** What has to happen before the next time, off the clock. */
  settle?(): Promise<void>;
}

/** Samples of one candidate, in microseconds. */
export interface Samples {
  readonly name: string;
  readonly times: number[];
  /** Those of them that came first after a pause: processes and caches have gone cold. */
  readonly first: number[];
  /** How long the main thread was busy meanwhile. */
  readonly busy: number[];
}

export interface Rounds {
  readonly rounds: number;
  readonly warmUp: number;
  /** Milliseconds of quiet before each turn of a candidate. */
  readonly pauseMs: number;
  /** Samples of one candidate in a row, as events come when pods start: one by one. Default 1. */
  readonly burst?: number;
  /** Milliseconds between those: a runtime has its own work to do between two events. Default 0. */
  readonly gapMs?: number;
  /** Numbers in [0, 1), where each round is to have another order. */
  readonly random?: () => number;
}

/** Measures all candidates in turn, again and again: what disturbs the machine disturbs them alike. */
export async function interleave(candidates: readonly Candidate[], options: Rounds): Promise<Samples[]> {
  const { rounds, warmUp, pauseMs, burst = 1, gapMs = 0, random = () => 0 } = options;
  const samples = candidates.map(({ name }): Samples => ({ name, times: [], first: [], busy: [] }));
  for (let round = -warmUp; round < rounds; round += burst) {
    const order = candidates.map((candidate, i) => ({ candidate, i, at: random() })).sort((a, b) => a.at - b.at);
    for (const { candidate, i } of order) {
      await sleep(pauseMs);
      for (let turn = 0; turn < burst; turn++) {
        if (turn > 0 && gapMs > 0) await sleep(gapMs);
        const before = performance.eventLoopUtilization();
        const began = performance.now();
        const own = await candidate.run();
        const took = own ?? (performance.now() - began) * 1000;
        const busy = performance.eventLoopUtilization(before).active * 1000;
        await candidate.settle?.();
        if (round < 0) continue;
        samples[i]?.times.push(took);
        samples[i]?.busy.push(busy);
        if (turn === 0) samples[i]?.first.push(took);
      }
    }
  }
  return samples;
}

/** The value that so many of a hundred do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
