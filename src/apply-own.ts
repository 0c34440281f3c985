import type { Cgroups } from "./cgroups.js";
import type { ChainCall } from "./chain-call.js";
import { type Change, type MergedChange, mergeChanges } from "./translate/from-v01.js";

/** What became of the changes of a container's own cgroup in phase start. */
export interface AppliedOwn {
  /** What stands, with nothing of the plugins that are left out. */
  readonly change: MergedChange;
  /** Why the create is to fail. */
  readonly error?: string;
  /** What was left out by the policy of its plugins, and why. */
  readonly leftOut?: { readonly plugins: readonly string[]; readonly error: string };
}

/**
 * Writes the changes of a chain to the real cgroup, before the answer. What the kernel refuses is a failure of the plugins
 * that asked: those whose failure is not to count are left out whole, and the others' changes are tried without them.
 */
export function applyOwn(
  changes: readonly Change[],
  call: ChainCall,
  cgroups: Cgroups,
  counts: (plugin: string) => boolean,
): AppliedOwn {
  const { pid, spec, id } = call.request;
  const merge = (some: readonly Change[]) => mergeChanges(some, { phase: call.phase, containerId: id });
  const apply = ({ own }: MergedChange) => (own === undefined ? null : cgroups.apply(own, { ...spec, pid }));
  const whole = merge(changes);
  const fault = apply(whole);
  if (fault === null) return { change: whole };
  const kept = changes.filter(({ own, plugin }) => own === undefined || counts(plugin));
  const rest = merge(kept);
  const restFault = kept.length === changes.length ? fault : apply(rest);
  const textOf = (why: string) => `the changes of the cgroup ${spec.cgroupsPath} cannot be applied: ${why}`;
  if (restFault !== null) {
    const plugins = kept.filter(({ own }) => own !== undefined).map(({ plugin }) => plugin);
    return { change: merge([]), error: `plugin: ${plugins.join(", ")}: ${textOf(restFault)}` };
  }
  const plugins = changes.filter((change) => !kept.includes(change)).map(({ plugin }) => plugin);
  return { change: rest, leftOut: { plugins, error: textOf(fault) } };
}
