/**
 * LinuxResources of the OCI runtime specification, as far as containerd 1.6 knew it (runtime-spec 1.0.3-dev).
 * An absent key is undefined; 64-bit integers are bigint.
 */
export interface LinuxResources {
  devices?: LinuxDeviceCgroup[];
  memory?: LinuxMemory;
  cpu?: LinuxCPU;
  pids?: LinuxPids;
  blockIO?: LinuxBlockIO;
  hugepageLimits?: LinuxHugepageLimit[];
  network?: LinuxNetwork;
  rdma?: Record<string, LinuxRdma>;
  unified?: Record<string, string>;
}

export interface LinuxDeviceCgroup {
  allow: boolean;
  type?: string;
  major?: bigint;
  minor?: bigint;
  access?: string;
}

export interface LinuxMemory {
  limit?: bigint;
  reservation?: bigint;
  swap?: bigint;
  kernel?: bigint;
  kernelTCP?: bigint;
  swappiness?: bigint;
  disableOOMKiller?: boolean;
  useHierarchy?: boolean;
}

export interface LinuxCPU {
  shares?: bigint;
  quota?: bigint;
  period?: bigint;
  realtimeRuntime?: bigint;
  realtimePeriod?: bigint;
  cpus?: string;
  mems?: string;
}

export interface LinuxPids {
  limit: bigint;
}

export interface LinuxHugepageLimit {
  pageSize: string;
  limit: bigint;
}

export interface LinuxBlockIO {
  weight?: number;
  leafWeight?: number;
  weightDevice?: LinuxWeightDevice[];
  throttleReadBpsDevice?: LinuxThrottleDevice[];
  throttleWriteBpsDevice?: LinuxThrottleDevice[];
  throttleReadIOPSDevice?: LinuxThrottleDevice[];
  throttleWriteIOPSDevice?: LinuxThrottleDevice[];
}

export interface LinuxWeightDevice {
  major: bigint;
  minor: bigint;
  weight?: number;
  leafWeight?: number;
}

export interface LinuxThrottleDevice {
  major: bigint;
  minor: bigint;
  rate: bigint;
}

export interface LinuxNetwork {
  classID?: number;
  priorities?: { name: string; priority: number }[];
}

export interface LinuxRdma {
  hcaHandles?: number;
  hcaObjects?: number;
}

/** Resources with others over them: each field for itself, limits of huge pages by their size, unified by the file. */
export function layOver(base: LinuxResources, over: LinuxResources): LinuxResources {
  const limits = [...(base.hugepageLimits ?? []), ...(over.hugepageLimits ?? [])];
  const bySize = new Map(limits.map((limit) => [limit.pageSize, limit]));
  const { memory = base.memory, cpu = base.cpu, unified = base.unified } = over;
  return {
    ...base,
    ...over,
    ...(memory === undefined ? {} : { memory: { ...base.memory, ...memory } }),
    ...(cpu === undefined ? {} : { cpu: { ...base.cpu, ...cpu } }),
    ...(bySize.size === 0 ? {} : { hugepageLimits: [...bySize.values()] }),
    ...(unified === undefined ? {} : { unified: { ...base.unified, ...unified } }),
  };
}
