/**
 * How a runtime converts cpu.shares to a cgroup v2 cpu.weight.
 * - `linear` (runc before 1.3.2 or so, crun before 1.23): along a line from 2..262144 to 1..10000; 1024 becomes 39.
 * - `quadratic` (opencontainers/cgroups since v0.0.3): on a curve through 1, 100 and 10000; 1024 becomes 100.
 */
export type WeightForm = "linear" | "quadratic";

const minShares = 2n;
const maxShares = 262_144n;
const maxWeight = 10_000n;

/** Converts cpu.shares to cpu.weight, by the formulas of opencontainers/cgroups ConvertCPUSharesToCgroupV2Value. */
export function toWeight(shares: bigint, form: WeightForm): bigint {
  const kept = shares < minShares ? minShares : shares > maxShares ? maxShares : shares;
  if (form === "linear") return 1n + ((kept - minShares) * 9999n) / (maxShares - minShares);
  if (kept === minShares) return 1n;
  if (kept === maxShares) return maxWeight;
  const log = Math.log2(Number(kept));
  return BigInt(Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34)));
}

/** The smallest cpu.shares that convert to this weight, or to a larger one if none convert to this weight. */
export function toShares(weight: bigint, form: WeightForm): bigint {
  let low = minShares;
  let high = maxShares;
  while (low < high) {
    const middle = (low + high) / 2n;
    if (toWeight(middle, form) < weight) low = middle + 1n;
    else high = middle;
  }
  return low;
}

/** The form that converts these shares to this weight; undefined if both forms do, as for 2 shares, or neither does. */
export function findWeightForm(shares: bigint, weight: bigint): WeightForm | undefined {
  const linear = toWeight(shares, "linear") === weight;
  const quadratic = toWeight(shares, "quadratic") === weight;
  return linear === quadratic ? undefined : linear ? "linear" : "quadratic";
}

// compat: opencontainers/cgroups ConvertBlkIOToIOWeightValue converts 10..1000 to 1..10000. BFQ's own weights begin at
// 1.
const minBlkio = 10n;

export function toIoWeight(blkio: bigint): bigint {
  return blkio < minBlkio ? 1n : 1n + ((blkio - minBlkio) * 9999n) / 990n;
}

/** The smallest blkio.weight that converts to this io.weight. */
export function toBlkioWeight(weight: bigint): bigint {
  return minBlkio + ((weight - 1n) * 990n + 9998n) / 9999n;
}
