import type { LinuxResources } from "../oci/resources.js";

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
