import type * as nri from "../nri/types.js";
import type { LinuxDeviceCgroup, LinuxResources } from "./resources.js";
import { layOver } from "./resources.js";

/**
 * The OCI LinuxResources that NRI v2's resources were made from. Whether `memory` and `cpu` are there is kept, since
 * NRI keeps it too; `blockIO`, `network` and `rdma` have no place in NRI and stay absent.
 */
export function toOciResources(resources: nri.LinuxResources | undefined): LinuxResources | null {
  if (resources === undefined) return null;
  const oci: LinuxResources = {};
  if (resources.devices.length > 0) oci.devices = resources.devices.map(toOciDevice);
  if (resources.memory !== undefined) {
    const { kernelTcp, disableOomKiller, ...same } = resources.memory;
    oci.memory = {
      ...same,
      ...(kernelTcp === undefined ? {} : { kernelTCP: kernelTcp }),
      ...(disableOomKiller === undefined ? {} : { disableOOMKiller: disableOomKiller }),
    };
  }
  if (resources.cpu !== undefined) oci.cpu = { ...resources.cpu };
  if (resources.pids !== undefined) oci.pids = { limit: resources.pids.limit };
  if (resources.hugepageLimits.length > 0) oci.hugepageLimits = resources.hugepageLimits.map((limit) => ({ ...limit }));
  if (Object.keys(resources.unified).length > 0) oci.unified = { ...resources.unified };
  return oci;
}

function toOciDevice(device: nri.LinuxDeviceCgroup): LinuxDeviceCgroup {
  return {
    allow: device.allow,
    type: device.type,
    ...(device.major === undefined ? {} : { major: device.major }),
    ...(device.minor === undefined ? {} : { minor: device.minor }),
    access: device.access,
  };
}

/**
 * The resources after the create: as a later event has them, since an update may have changed them meanwhile, with what NRI
 * cannot carry from the memory of the create.
 */
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
    ...(blockIO === undefined ? {} : { blockIO }),
    ...(network === undefined ? {} : { network }),
    ...(rdma === undefined ? {} : { rdma }),
    // NRI before 0.7 has no pids limit.
    ...(now.pids === undefined && pids !== undefined ? { pids } : {}),
  };
}

/** The resources before an update with those over them that it asked for; a zero means "not asked". */
export function toUpdateResources(
  before: LinuxResources | null,
  asked: nri.LinuxResources | undefined,
): LinuxResources | null {
  const over = toOciResources(asked);
  if (over === null) return before;
  const memory = withoutZeros(over.memory);
  const cpu = withoutZeros(over.cpu);
  return layOver(before ?? {}, {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(over.hugepageLimits === undefined ? {} : { hugepageLimits: over.hugepageLimits }),
    ...(over.pids === undefined || over.pids.limit === 0n ? {} : { pids: over.pids }),
    ...(over.unified === undefined ? {} : { unified: over.unified }),
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
