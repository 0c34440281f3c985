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
  /** How long the main thread was busy meanwhile. */
  readonly busy: number[];
}

export interface Rounds {
  readonly rounds: number;
  readonly warmUp: number;
  /** Milliseconds of quiet before each sample: events come one by one, not in a tight loop. */
  readonly pauseMs: number;
}

/** Measures all candidates in turn, again and again: what disturbs the machine disturbs them alike. */
export async function interleave(candidates: readonly Candidate[], options: Rounds): Promise<Samples[]> {
  const { rounds, warmUp, pauseMs } = options;
  const samples = candidates.map(({ name }): Samples => ({ name, times: [], busy: [] }));
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, candidate] of candidates.entries()) {
      await sleep(pauseMs);
      const before = performance.eventLoopUtilization();
      const began = performance.now();
      const own = await candidate.run();
      const took = (performance.now() - began) * 1000;
      const busy = performance.eventLoopUtilization(before).active * 1000;
      await candidate.settle?.();
      if (round < 0) continue;
      samples[i]?.times.push(own ?? took);
      samples[i]?.busy.push(busy);
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
