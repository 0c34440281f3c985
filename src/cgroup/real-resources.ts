import { BridgeError } from "../base/errors.js";
import type { LinuxResources } from "../v01/resources.js";
import type { ContainerCgroup } from "./container-cgroup.js";
import { type FieldFile, fieldFiles } from "./fields.js";
import type { Machine } from "./machine.js";

/**
 * What a container's real cgroup says, v1 or v2, over what its spec says: the seed of a view in phase start.
 *
 * compat: a v2 weight stands for many shares. While the spec's shares still make the present weight, they are the answer.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened, or is in no hierarchy
 */
export function readResources(cgroup: ContainerCgroup, spec: LinuxResources, machine: Machine): LinuxResources {
  const resources: LinuxResources = { ...spec };
  let found = false;
  for (const field of fieldFiles(machine)) {
    const version = cgroup.versionOf(field.controller);
    if (version === undefined) continue;
    const value = version === 1 ? readV1(cgroup, field) : readV2(cgroup, field, resources);
    if (value === undefined) continue;
    found = true;
    field.assign(resources, value);
  }
  if (!found) throw new BridgeError("ADJUSTMENT", `no hierarchy here has the cgroup ${cgroup.path}`);
  return resources;
}

function readV1(cgroup: ContainerCgroup, field: FieldFile): string | undefined {
  const text = cgroup.read(field.controller, field.file);
  if (text === undefined) return undefined;
  // memory.oom_control has keys; everything else is one value.
  const parsed = field.parse(/^oom_kill_disable (\d)$/m.exec(text)?.[1] ?? text.trim());
  return parsed.ok ? parsed.value : undefined;
}

function readV2(cgroup: ContainerCgroup, field: FieldFile, resources: LinuxResources): string | undefined {
  const text = (file: string): string | undefined => cgroup.read(field.controller, file)?.trim();
  const limit = (value: string | undefined): string | undefined => {
    const parsed =
      value === undefined ? undefined : field.parse(value === "max" && field.file !== "pids.max" ? "-1" : value);
    return parsed?.ok ? parsed.value : undefined;
  };
  switch (field.file) {
    case "cpu.shares": {
      const weight = text("cpu.weight");
      if (weight === undefined || !/^[1-9]\d*$/.test(weight)) return undefined;
      return sharesOf(BigInt(weight), resources.cpu?.shares).toString();
    }
    case "cpu.cfs_quota_us":
      return limit(text("cpu.max")?.split(" ")[0]);
    case "cpu.cfs_period_us":
      return limit(text("cpu.max")?.split(" ")[1]);
    case "cpuset.cpus":
    case "cpuset.mems":
      return limit(text(field.file) || text(`${field.file}.effective`));
    case "memory.limit_in_bytes":
      return limit(text("memory.max"));
    case "memory.soft_limit_in_bytes": {
      // A memory.low of 0 protects nothing: no reservation was made.
      const low = text("memory.low");
      return low === "0" ? undefined : limit(low);
    }
    case "memory.memsw.limit_in_bytes":
      return addLimits(limit(text("memory.max")), limit(text("memory.swap.max")));
    case "pids.max":
      return limit(text("pids.max"));
    default:
      return field.controller === "hugetlb" ? limit(text(field.file.replace(/limit_in_bytes$/, "max"))) : undefined;
  }
}

function sharesOf(weight: bigint, spec: bigint | undefined): bigint {
  const form = spec === undefined ? undefined : findWeightForm(spec, weight);
  if (spec !== undefined && form !== undefined) return spec;
  return toShares(weight, form ?? "quadratic");
}

function addLimits(memory: string | undefined, swap: string | undefined): string | undefined {
  if (memory === undefined || swap === undefined) return undefined;
  return memory === "-1" || swap === "-1" ? "-1" : `${BigInt(memory) + BigInt(swap)}`;
}

/**
 * What a spec asks of a cgroup.
 *
 * compat: runc takes 0 in these fields of a spec as unset. What a plugin asks for is another thing: a 0 of its own is meant.
 */
export function withoutUnset({ cpu, memory, ...rest }: LinuxResources): LinuxResources {
  return {
    ...rest,
    ...(cpu === undefined ? {} : { cpu: withoutZeros(cpu) }),
    ...(memory === undefined ? {} : { memory: { ...withoutZeros(memory), ...swappinessOf(memory) } }),
  };
}

/** The one of them that is set by 0 too. */
function swappinessOf({ swappiness }: NonNullable<LinuxResources["memory"]>) {
  return swappiness === undefined ? {} : { swappiness };
}

function withoutZeros<T extends object>(values: T): Partial<T> {
  const set: Partial<T> = {};
  for (const key in values) if (values[key] !== 0n) set[key] = values[key];
  return set;
}

/** How a runtime made a cgroup v2 weight of shares. */
export type WeightForm =
  /** runc before 1.3.2 or so and crun before 1.23: 2..262144 onto 1..10000 along a line; 1024 becomes 39. */
  | "linear"
  /** opencontainers/cgroups since v0.0.3: a curve through 1, 100 and 10000, so that 1024 becomes 100. */
  | "quadratic";

const minShares = 2n;
const maxShares = 262_144n;
const maxWeight = 10_000n;

/** cpu.weight for cpu.shares. Formulas: ConvertCPUSharesToCgroupV2Value of opencontainers/cgroups. */
export function toWeight(shares: bigint, form: WeightForm): bigint {
  const kept = shares < minShares ? minShares : shares > maxShares ? maxShares : shares;
  if (form === "linear") return 1n + ((kept - minShares) * 9999n) / (maxShares - minShares);
  if (kept === minShares) return 1n;
  if (kept === maxShares) return maxWeight;
  const log = Math.log2(Number(kept));
  return BigInt(Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34)));
}

/** The smallest cpu.shares that this weight is made of. */
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

/**
 * The form that a container's runtime used: the one that makes its present weight of the shares in its spec. Undefined where
 * both fit, as for 2 shares, or neither does.
 */
export function findWeightForm(shares: bigint, weight: bigint): WeightForm | undefined {
  const linear = toWeight(shares, "linear") === weight;
  const quadratic = toWeight(shares, "quadratic") === weight;
  return linear === quadratic ? undefined : linear ? "linear" : "quadratic";
}
