import {
  bool,
  int64,
  map,
  omitempty,
  pointer,
  slice,
  string,
  struct,
  uint16,
  uint32,
  uint64,
  type ValueOf,
} from "./gojson/codec.js";

// compat: runtime-spec 1.0.3-dev (1c3f411f0417, which containerd 1.6 vendors), specs-go/config.go. As in containerd
// 1.6, fields that later versions added (checkBeforeUpdate, burst, idle) are unknown here.

const device = struct("specs.LinuxDeviceCgroup", {
  allow: bool,
  type: omitempty(string()),
  major: pointer(int64),
  minor: pointer(int64),
  access: omitempty(string()),
});

const memory = struct("specs.LinuxMemory", {
  limit: pointer(int64),
  reservation: pointer(int64),
  swap: pointer(int64),
  kernel: pointer(int64),
  kernelTCP: pointer(int64),
  swappiness: pointer(uint64),
  disableOOMKiller: pointer(bool),
  useHierarchy: pointer(bool),
});

const cpu = struct("specs.LinuxCPU", {
  shares: pointer(uint64),
  quota: pointer(int64),
  period: pointer(uint64),
  realtimeRuntime: pointer(int64),
  realtimePeriod: pointer(uint64),
  cpus: omitempty(string()),
  mems: omitempty(string()),
});

const weightDevice = struct("specs.LinuxWeightDevice", {
  major: int64,
  minor: int64,
  weight: pointer(uint16),
  leafWeight: pointer(uint16),
});

const throttleDevices = omitempty(
  slice(struct("specs.LinuxThrottleDevice", { major: int64, minor: int64, rate: uint64 })),
);

const blockIO = struct("specs.LinuxBlockIO", {
  weight: pointer(uint16),
  leafWeight: pointer(uint16),
  weightDevice: omitempty(slice(weightDevice)),
  throttleReadBpsDevice: throttleDevices,
  throttleWriteBpsDevice: throttleDevices,
  throttleReadIOPSDevice: throttleDevices,
  throttleWriteIOPSDevice: throttleDevices,
});

const hugepageLimit = struct("specs.LinuxHugepageLimit", { pageSize: string(), limit: uint64 });

const network = struct("specs.LinuxNetwork", {
  classID: pointer(uint32),
  priorities: omitempty(slice(struct("specs.LinuxInterfacePriority", { name: string(), priority: uint32 }))),
});

const rdma = struct("specs.LinuxRdma", { hcaHandles: pointer(uint32), hcaObjects: pointer(uint32) });

/** The codec of LinuxResources: it writes fields in the order of the runtime specification and leaves out absent ones. */
export const linuxResources = struct("specs.LinuxResources", {
  devices: omitempty(slice(device)),
  memory: pointer(memory),
  cpu: pointer(cpu),
  pids: pointer(struct("specs.LinuxPids", { limit: int64 })),
  blockIO: pointer(blockIO),
  hugepageLimits: omitempty(slice(hugepageLimit)),
  network: pointer(network),
  rdma: omitempty(map(rdma)),
  unified: omitempty(map(string())),
});

/** LinuxResources of the OCI runtime specification, as far as containerd 1.6 knew it. 64-bit integers are bigint. */
export type LinuxResources = ValueOf<typeof linuxResources>;

/** Lays resources over others: `over` wins field by field, in hugepageLimits by page size, in unified by file name. */
export function layOver(base: LinuxResources, over: LinuxResources): LinuxResources {
  const limits = [...(base.hugepageLimits ?? []), ...(over.hugepageLimits ?? [])];
  const bySize = new Map(limits.map((limit) => [limit.pageSize, limit]));
  const { memory = base.memory, cpu = base.cpu, unified = base.unified } = over;
  return {
    ...base,
    ...over,
    ...(memory && { memory: { ...base.memory, ...memory } }),
    ...(cpu && { cpu: { ...base.cpu, ...cpu } }),
    ...(bySize.size > 0 && { hugepageLimits: [...bySize.values()] }),
    ...(unified && { unified: { ...base.unified, ...unified } }),
  };
}
