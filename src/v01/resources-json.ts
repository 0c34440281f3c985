import { bool, type Codec, int64, omitempty, pointer, string, uint16, uint32, uint64 } from "./gojson/codec.js";
import { map, slice, struct } from "./gojson/struct.js";
import type {
  LinuxBlockIO,
  LinuxCPU,
  LinuxDeviceCgroup,
  LinuxHugepageLimit,
  LinuxMemory,
  LinuxNetwork,
  LinuxPids,
  LinuxRdma,
  LinuxResources,
  LinuxThrottleDevice,
  LinuxWeightDevice,
} from "./resources.js";

/**
 * LinuxResources as JSON: fields in the order of the runtime specification, what is absent left out, as containerd 1.6
 * wrote them to its plugins.
 */
export function formatResources(resources: LinuxResources): string {
  return linuxResources.format(resources);
}

// compat: runtime-spec 1.0.3-dev (1c3f411f0417, which containerd 1.6 vendors), specs-go/config.go. What later versions
// added (checkBeforeUpdate, burst, idle) is unknown here as it was there.

const device = struct<LinuxDeviceCgroup>("specs.LinuxDeviceCgroup", () => ({ allow: false }), {
  allow: bool,
  type: omitempty(string()),
  major: pointer(int64),
  minor: pointer(int64),
  access: omitempty(string()),
});

const memory = struct<LinuxMemory>("specs.LinuxMemory", () => ({}), {
  limit: pointer(int64),
  reservation: pointer(int64),
  swap: pointer(int64),
  kernel: pointer(int64),
  kernelTCP: pointer(int64),
  swappiness: pointer(uint64),
  disableOOMKiller: pointer(bool),
  useHierarchy: pointer(bool),
});

const cpu = struct<LinuxCPU>("specs.LinuxCPU", () => ({}), {
  shares: pointer(uint64),
  quota: pointer(int64),
  period: pointer(uint64),
  realtimeRuntime: pointer(int64),
  realtimePeriod: pointer(uint64),
  cpus: omitempty(string()),
  mems: omitempty(string()),
});

const pids = struct<LinuxPids>("specs.LinuxPids", () => ({ limit: 0n }), { limit: int64 });

const weightDevice = struct<LinuxWeightDevice>("specs.LinuxWeightDevice", () => ({ major: 0n, minor: 0n }), {
  major: int64,
  minor: int64,
  weight: pointer(uint16),
  leafWeight: pointer(uint16),
});

const throttleDevice = struct<LinuxThrottleDevice>(
  "specs.LinuxThrottleDevice",
  () => ({ major: 0n, minor: 0n, rate: 0n }),
  { major: int64, minor: int64, rate: uint64 },
);

const blockIO = struct<LinuxBlockIO>("specs.LinuxBlockIO", () => ({}), {
  weight: pointer(uint16),
  leafWeight: pointer(uint16),
  weightDevice: omitempty(slice(weightDevice)),
  throttleReadBpsDevice: omitempty(slice(throttleDevice)),
  throttleWriteBpsDevice: omitempty(slice(throttleDevice)),
  throttleReadIOPSDevice: omitempty(slice(throttleDevice)),
  throttleWriteIOPSDevice: omitempty(slice(throttleDevice)),
});

const hugepageLimit = struct<LinuxHugepageLimit>("specs.LinuxHugepageLimit", () => ({ pageSize: "", limit: 0n }), {
  pageSize: string(),
  limit: uint64,
});

const priority = struct<{ name: string; priority: number }>(
  "specs.LinuxInterfacePriority",
  () => ({ name: "", priority: 0 }),
  { name: string(), priority: uint32 },
);

const network = struct<LinuxNetwork>("specs.LinuxNetwork", () => ({}), {
  classID: pointer(uint32),
  priorities: omitempty(slice(priority)),
});

const rdma = struct<LinuxRdma>("specs.LinuxRdma", () => ({}), {
  hcaHandles: pointer(uint32),
  hcaObjects: pointer(uint32),
});

export const linuxResources: Codec<LinuxResources> = struct<LinuxResources>("specs.LinuxResources", () => ({}), {
  devices: omitempty(slice(device)),
  memory: pointer(memory),
  cpu: pointer(cpu),
  pids: pointer(pids),
  blockIO: pointer(blockIO),
  hugepageLimits: omitempty(slice(hugepageLimit)),
  network: pointer(network),
  rdma: omitempty(map(rdma)),
  unified: omitempty(map(string())),
});
