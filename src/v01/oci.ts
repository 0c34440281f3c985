import type * as nri from "../nri/types.js";
import { type LinuxResources, layOver } from "./resources.js";

/**
 * Converts NRI's resources to the OCI form. An empty `memory` or `cpu` stays, and an absent one stays absent. NRI has no `blockIO`,
 * `network` and `rdma`.
 */
export function toOciResources(resources: nri.LinuxResources | undefined): LinuxResources | null {
  if (resources === undefined) return null;
  const { devices, memory, cpu, pids, hugepageLimits, unified } = resources;
  const { kernelTcp: kernelTCP, disableOomKiller: disableOOMKiller, ...same } = memory ?? {};
  return {
    ...(devices.length > 0 && { devices: devices.map((device) => ({ ...device })) }),
    ...(memory && {
      memory: {
        ...same,
        ...(kernelTCP !== undefined && { kernelTCP }),
        ...(disableOOMKiller !== undefined && { disableOOMKiller }),
      },
    }),
    ...(cpu && { cpu: { ...cpu } }),
    ...(pids && { pids: { limit: pids.limit } }),
    ...(hugepageLimits.length > 0 && { hugepageLimits: hugepageLimits.map((limit) => ({ ...limit })) }),
    ...(Object.keys(unified).length > 0 && { unified: { ...unified } }),
  };
}

/** The resources of an event after the create, with the values of the create that NRI cannot carry. */
export function toPresentResources(
  remembered: LinuxResources | null,
  event: nri.LinuxResources | undefined,
): LinuxResources | null {
  const now = toOciResources(event);
  if (now === null) return remembered;
  if (remembered === null) return now;
  const { blockIO, network, rdma, pids } = remembered;
  return {
    ...now,
    ...(blockIO && { blockIO }),
    ...(network && { network }),
    ...(rdma && { rdma }),
    // NRI before 0.7 has no pids limit: the one of the create stays.
    ...(now.pids === undefined && pids && { pids }),
  };
}

/** The resources before an update, with the values that the update asks for laid over them; a zero means "not asked". */
export function toUpdateResources(
  before: LinuxResources | null,
  asked: nri.LinuxResources | undefined,
): LinuxResources | null {
  const over = toOciResources(asked);
  if (over === null) return before;
  const { hugepageLimits, pids, unified } = over;
  const memory = withoutZeros(over.memory);
  const cpu = withoutZeros(over.cpu);
  return layOver(before ?? {}, {
    ...(Object.keys(memory).length > 0 && { memory }),
    ...(Object.keys(cpu).length > 0 && { cpu }),
    ...(hugepageLimits && { hugepageLimits }),
    ...(pids && pids.limit !== 0n && { pids }),
    ...(unified && { unified }),
  });
}

function withoutZeros<T extends object>(values: T | undefined): Partial<T> {
  const asked: Partial<T> = {};
  for (const key in values) {
    const value = values[key];
    if (value !== 0n && value !== "" && value !== undefined) asked[key] = value;
  }
  return asked;
}
