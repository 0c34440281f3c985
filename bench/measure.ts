import { setTimeout as sleep } from "node:timers/promises";

/** One thing to measure, beside others in the same run. */
export interface Candidate {
  readonly name: string;
  /** Does it once. Gives its microseconds when it measures them itself; else the time of the call counts. */
  run(): Promise<number | undefined>;
  /** What has to happen before the next time, off the clock. */
  settle?(): Promise<void>;
  /** The CPU time of its process so far, in microseconds. */
  cpu?(): number;
}

/** Samples of one candidate, in microseconds. */
export interface Samples {
  readonly name: string;
  readonly times: number[];
  /** Those of them that came first after a pause: processes and caches have gone cold. */
  readonly first: number[];
  /** The CPU time of its process for each, what happens off the clock included; NaN where that is not known. */
  cpu: number;
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
  const turns = async (count: number): Promise<Samples[]> => {
    const samples = candidates.map(({ name }): Samples => ({ name, times: [], first: [], cpu: Number.NaN }));
    const before = candidates.map((candidate) => candidate.cpu?.() ?? Number.NaN);
    for (let round = 0; round < count; round += burst) {
      const order = candidates.map((candidate, i) => ({ candidate, i, at: random() })).sort((a, b) => a.at - b.at);
      for (const { candidate, i } of order) {
        await sleep(pauseMs);
        for (let turn = 0; turn < burst; turn++) {
          if (turn > 0 && gapMs > 0) await sleep(gapMs);
          const began = performance.now();
          const own = await candidate.run();
          const took = own ?? (performance.now() - began) * 1000;
          await candidate.settle?.();
          samples[i]?.times.push(took);
          if (turn === 0) samples[i]?.first.push(took);
        }
      }
    }
    for (const [i, one] of samples.entries()) {
      one.cpu = ((candidates[i]?.cpu?.() ?? Number.NaN) - (before[i] ?? Number.NaN)) / one.times.length;
    }
    return samples;
  };
  await turns(warmUp);
  return turns(rounds);
}

/** The value that so many of a hundred do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
