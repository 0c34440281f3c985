import { createRandom } from "../test/e2e/testbed/chaos-random.js";
import { percentile } from "./measure.js";

/** What one median is above another, and where that would be in 95 of 100 runs. */
export interface Added {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 1_000;

/** Compares medians; how sure that is comes from drawing as many samples anew, again and again (bootstrap). */
export function compareMedians(times: readonly number[], base: readonly number[]): Added {
  const random = createRandom(1);
  const drawn = (from: readonly number[]) =>
    percentile(
      from.map(() => from[random.between(0, from.length - 1)] ?? Number.NaN),
      50,
    );
  const differences = Array.from({ length: resamples }, () => drawn(times) - drawn(base));
  const median = percentile(times, 50) - percentile(base, 50);
  return { median, low: percentile(differences, 2.5), high: percentile(differences, 97.5) };
}
