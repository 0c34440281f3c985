/**
 * The NRI v2 API as plain values: names as in the schema (camel case), int64 and uint64 as bigint, the schema's
 * `Optional*` wrappers as the value itself or undefined, absent maps and lists as empty ones.
 */

export type StringMap = Record<string, string>;

export interface PodSandbox {
  id: string;
  name: string;
  uid: string;
  namespace: string;
  labels: StringMap;
  annotations: StringMap;
  runtimeHandler: string;
  linux?: LinuxPodSandbox;
  /** 0 when the runtime did not say. */
  pid: number;
  ips: string[];
}

export interface LinuxPodSandbox {
  podOverhead?: LinuxResources;
  podResources?: LinuxResources;
  cgroupParent: string;
  cgroupsPath: string;
  namespaces: LinuxNamespace[];
  resources?: LinuxResources;
}

export type ContainerState =
  | "CONTAINER_UNKNOWN"
  | "CONTAINER_CREATED"
  | "CONTAINER_PAUSED"
  | "CONTAINER_RUNNING"
  | "CONTAINER_STOPPED";

export interface Container {
  id: string;
  podSandboxId: string;
  name: string;
  state: ContainerState;
  labels: StringMap;
  annotations: StringMap;
  args: string[];
  env: string[];
  mounts: Mount[];
  hooks?: Hooks;
  linux?: LinuxContainer;
  /** 0 when the runtime did not say. */
  pid: number;
  rlimits: POSIXRlimit[];
  createdAt: bigint;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  statusReason: string;
  statusMessage: string;
  CDIDevices: { name: string }[];
  user?: { uid: number; gid: number; additionalGids: number[] };
  image?: { name: string; digest: string; configDigest: string };
}

export interface LinuxContainer {
  namespaces: LinuxNamespace[];
  devices: LinuxDevice[];
  resources?: LinuxResources;
  oomScoreAdj?: bigint;
  cgroupsPath: string;
  sysctl: StringMap;
}

export interface LinuxNamespace {
  type: string;
  path: string;
}

export interface LinuxDevice {
  path: string;
  type: string;
  major: bigint;
  minor: bigint;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface LinuxDeviceCgroup {
  allow: boolean;
  type: string;
  major?: bigint;
  minor?: bigint;
  access: string;
}

export interface LinuxResources {
  memory?: LinuxMemory;
  cpu?: LinuxCPU;
  hugepageLimits: { pageSize: string; limit: bigint }[];
  blockioClass?: string;
  rdtClass?: string;
  unified: StringMap;
  devices: LinuxDeviceCgroup[];
  pids?: { limit: bigint };
}

export interface LinuxMemory {
  limit?: bigint;
  reservation?: bigint;
  swap?: bigint;
  kernel?: bigint;
  kernelTcp?: bigint;
  swappiness?: bigint;
  disableOomKiller?: boolean;
  useHierarchy?: boolean;
}

export interface LinuxCPU {
  shares?: bigint;
  quota?: bigint;
  period?: bigint;
  realtimeRuntime?: bigint;
  realtimePeriod?: bigint;
  cpus: string;
  mems: string;
}

export interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

export interface Hook {
  path: string;
  args: string[];
  env: string[];
  timeout?: bigint;
}

export interface Hooks {
  prestart: Hook[];
  createRuntime: Hook[];
  createContainer: Hook[];
  startContainer: Hook[];
  poststart: Hook[];
  poststop: Hook[];
}

export interface POSIXRlimit {
  type: string;
  hard: bigint;
  soft: bigint;
}

/** What CreateContainer's answer asks to change; every key may be absent. */
export interface ContainerAdjustment {
  annotations?: StringMap;
  mounts?: Mount[];
  env?: { key: string; value: string }[];
  hooks?: Partial<Hooks>;
  linux?: LinuxContainerAdjustment;
  rlimits?: POSIXRlimit[];
  CDIDevices?: { name: string }[];
  args?: string[];
}

export interface LinuxContainerAdjustment {
  devices?: LinuxDevice[];
  resources?: Partial<LinuxResources>;
  cgroupsPath?: string;
  oomScoreAdj?: bigint;
  sysctl?: StringMap;
}

export interface ContainerUpdate {
  containerId: string;
  linux?: { resources?: Partial<LinuxResources> };
  ignoreFailure?: boolean;
}

export interface ConfigureRequest {
  config: string;
  runtimeName: string;
  runtimeVersion: string;
  /** Milliseconds; 0 when the runtime (NRI < 0.7) did not say. */
  registrationTimeout: bigint;
  /** Milliseconds; 0 when the runtime (NRI < 0.7) did not say. */
  requestTimeout: bigint;
  NRIVersion: string;
}

export interface ConfigureResponse {
  /** The event mask, see events.ts. */
  events: number;
}

export interface SynchronizeRequest {
  pods: PodSandbox[];
  containers: Container[];
  more: boolean;
}
