// Generated from the schemas in proto by scripts/gen-proto.mjs. Do not edit: run `npm run gen`.
import type { ProtobufReader as Reader, ProtobufWriter as Writer } from "../nri/wire/protobuf.js";

// With an empty prototype, so that a label named __proto__ is a label. By a constructor: what Object.create(null) makes
// is a hash table in V8, twice as large and slower.
const EmptyMap = function () {} as unknown as { new (): Record<string, never>; prototype: object };
EmptyMap.prototype = Object.create(null);
function emptyMap(): Record<string, never> {
  return new EmptyMap();
}

const ContainerStateNames = ["CONTAINER_UNKNOWN", "CONTAINER_CREATED", "CONTAINER_PAUSED", "CONTAINER_RUNNING", "CONTAINER_STOPPED"] as const;
const ContainerStateNumbers = { CONTAINER_UNKNOWN: 0, CONTAINER_CREATED: 1, CONTAINER_PAUSED: 2, CONTAINER_RUNNING: 3, CONTAINER_STOPPED: 4 } as const;
export type ContainerState = (typeof ContainerStateNames)[number];
function readContainerState(r: Reader): ContainerState {
  return ContainerStateNames[r.int32()] ?? ContainerStateNames[0];
}

export const EventNames = ["UNKNOWN", "RUN_POD_SANDBOX", "STOP_POD_SANDBOX", "REMOVE_POD_SANDBOX", "CREATE_CONTAINER", "POST_CREATE_CONTAINER", "START_CONTAINER", "POST_START_CONTAINER", "UPDATE_CONTAINER", "POST_UPDATE_CONTAINER", "STOP_CONTAINER", "REMOVE_CONTAINER", "UPDATE_POD_SANDBOX", "POST_UPDATE_POD_SANDBOX", "VALIDATE_CONTAINER_ADJUSTMENT", "LAST"] as const;
const EventNumbers = { UNKNOWN: 0, RUN_POD_SANDBOX: 1, STOP_POD_SANDBOX: 2, REMOVE_POD_SANDBOX: 3, CREATE_CONTAINER: 4, POST_CREATE_CONTAINER: 5, START_CONTAINER: 6, POST_START_CONTAINER: 7, UPDATE_CONTAINER: 8, POST_UPDATE_CONTAINER: 9, STOP_CONTAINER: 10, REMOVE_CONTAINER: 11, UPDATE_POD_SANDBOX: 12, POST_UPDATE_POD_SANDBOX: 13, VALIDATE_CONTAINER_ADJUSTMENT: 14, LAST: 15 } as const;
export type Event = (typeof EventNames)[number];
function readEvent(r: Reader): Event {
  return EventNames[r.int32()] ?? EventNames[0];
}

const IOPrioClassNames = ["IOPRIO_CLASS_NONE", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"] as const;
const IOPrioClassNumbers = { IOPRIO_CLASS_NONE: 0, IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;
export type IOPrioClass = (typeof IOPrioClassNames)[number];
function readIOPrioClass(r: Reader): IOPrioClass {
  return IOPrioClassNames[r.int32()] ?? IOPrioClassNames[0];
}

const LinuxSchedulerFlagNames = ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"] as const;
const LinuxSchedulerFlagNumbers = { SCHED_FLAG_RESET_ON_FORK: 0, SCHED_FLAG_RECLAIM: 1, SCHED_FLAG_DL_OVERRUN: 2, SCHED_FLAG_KEEP_POLICY: 3, SCHED_FLAG_KEEP_PARAMS: 4, SCHED_FLAG_UTIL_CLAMP_MIN: 5, SCHED_FLAG_UTIL_CLAMP_MAX: 6 } as const;
export type LinuxSchedulerFlag = (typeof LinuxSchedulerFlagNames)[number];
function readLinuxSchedulerFlag(r: Reader): LinuxSchedulerFlag {
  return LinuxSchedulerFlagNames[r.int32()] ?? LinuxSchedulerFlagNames[0];
}

const LinuxSchedulerPolicyNames = ["SCHED_NONE", "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"] as const;
const LinuxSchedulerPolicyNumbers = { SCHED_NONE: 0, SCHED_OTHER: 1, SCHED_FIFO: 2, SCHED_RR: 3, SCHED_BATCH: 4, SCHED_ISO: 5, SCHED_IDLE: 6, SCHED_DEADLINE: 7 } as const;
export type LinuxSchedulerPolicy = (typeof LinuxSchedulerPolicyNames)[number];
function readLinuxSchedulerPolicy(r: Reader): LinuxSchedulerPolicy {
  return LinuxSchedulerPolicyNames[r.int32()] ?? LinuxSchedulerPolicyNames[0];
}

const MpolFlagNames = ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING"] as const;
const MpolFlagNumbers = { MPOL_F_STATIC_NODES: 0, MPOL_F_RELATIVE_NODES: 1, MPOL_F_NUMA_BALANCING: 2 } as const;
export type MpolFlag = (typeof MpolFlagNames)[number];
function readMpolFlag(r: Reader): MpolFlag {
  return MpolFlagNames[r.int32()] ?? MpolFlagNames[0];
}

const MpolModeNames = ["MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"] as const;
const MpolModeNumbers = { MPOL_DEFAULT: 0, MPOL_PREFERRED: 1, MPOL_BIND: 2, MPOL_INTERLEAVE: 3, MPOL_LOCAL: 4, MPOL_PREFERRED_MANY: 5, MPOL_WEIGHTED_INTERLEAVE: 6 } as const;
export type MpolMode = (typeof MpolModeNames)[number];
function readMpolMode(r: Reader): MpolMode {
  return MpolModeNames[r.int32()] ?? MpolModeNames[0];
}

const ProfileTypeNames = ["RUNTIME_DEFAULT", "UNCONFINED", "LOCALHOST"] as const;
const ProfileTypeNumbers = { RUNTIME_DEFAULT: 0, UNCONFINED: 1, LOCALHOST: 2 } as const;
export type ProfileType = (typeof ProfileTypeNames)[number];
function readProfileType(r: Reader): ProfileType {
  return ProfileTypeNames[r.int32()] ?? ProfileTypeNames[0];
}

export function readOptionalBool(r: Reader, end: number, value: boolean = false): boolean {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.bool(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalBool(w: Writer, value: boolean): void {
  if (value) w.bool(8, value);
}

export function readOptionalFileMode(r: Reader, end: number, value: number = 0): number {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.uint32(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalFileMode(w: Writer, value: number): void {
  if (value) w.uint32(8, value);
}

export function readOptionalInt(r: Reader, end: number, value: bigint = 0n): bigint {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.bigInt64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalInt(w: Writer, value: bigint): void {
  if (value) w.int64(8, value);
}

export function readOptionalInt64(r: Reader, end: number, value: bigint = 0n): bigint {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.bigInt64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalInt64(w: Writer, value: bigint): void {
  if (value) w.int64(8, value);
}

export function readOptionalRepeatedString(r: Reader, end: number, value: string[] = []): string[] {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: value.push(r.string()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalRepeatedString(w: Writer, value: readonly string[]): void {
  for (const v of value) w.string(10, v);
}

export function readOptionalString(r: Reader, end: number, value: string = ""): string {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: value = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalString(w: Writer, value: string): void {
  if (value) w.string(10, value);
}

export function readOptionalUInt32(r: Reader, end: number, value: number = 0): number {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.uint32(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalUInt32(w: Writer, value: number): void {
  if (value) w.uint32(8, value);
}

export function readOptionalUInt64(r: Reader, end: number, value: bigint = 0n): bigint {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: value = r.bigUint64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return value;
}
export function writeOptionalUInt64(w: Writer, value: bigint): void {
  if (value) w.uint64(8, value);
}

export function readStringEntry(r: Reader, end: number, map: Record<string, string>): void {
  let key = "";
  let value: string = "";
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: key = r.string(); break;
      case 18: value = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  map[key] = value;
}
function writeStringEntry(w: Writer, key: string, value: string): void {
  w.string(10, key);
  w.string(18, value);
}

export function readLinuxNetDeviceEntry(r: Reader, end: number, map: Record<string, LinuxNetDevice>): void {
  let key = "";
  let value: LinuxNetDevice = readLinuxNetDevice(r, r.pos);
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: key = r.string(); break;
      case 18: value = readLinuxNetDevice(r, r.enter()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  map[key] = value;
}
function writeLinuxNetDeviceEntry(w: Writer, key: string, value: LinuxNetDeviceInit): void {
  w.string(10, key);
  { w.open(18); writeLinuxNetDevice(w, value); w.close(); }
}

export interface CDIDevice {
  name: string;
}
export interface CDIDeviceInit {
  readonly name?: string | undefined;
}
function emptyCDIDevice(): CDIDevice {
  return { name: "" };
}
export function readCDIDevice(r: Reader, end: number, m: CDIDevice = emptyCDIDevice()): CDIDevice {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.name = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeCDIDevice(w: Writer, m: CDIDeviceInit): void {
  if (m.name) w.string(10, m.name);
}

export interface ConfigureRequest {
  config: string;
  runtimeName: string;
  runtimeVersion: string;
  registrationTimeout: bigint;
  requestTimeout: bigint;
  NRIVersion: string;
}
export interface ConfigureRequestInit {
  readonly config?: string | undefined;
  readonly runtimeName?: string | undefined;
  readonly runtimeVersion?: string | undefined;
  readonly registrationTimeout?: bigint | undefined;
  readonly requestTimeout?: bigint | undefined;
  readonly NRIVersion?: string | undefined;
}
function emptyConfigureRequest(): ConfigureRequest {
  return { config: "", runtimeName: "", runtimeVersion: "", registrationTimeout: 0n, requestTimeout: 0n, NRIVersion: "" };
}
export function readConfigureRequest(r: Reader, end: number, m: ConfigureRequest = emptyConfigureRequest()): ConfigureRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.config = r.string(); break;
      case 18: m.runtimeName = r.string(); break;
      case 26: m.runtimeVersion = r.string(); break;
      case 32: m.registrationTimeout = r.bigInt64(); break;
      case 40: m.requestTimeout = r.bigInt64(); break;
      case 50: m.NRIVersion = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeConfigureRequest(w: Writer, m: ConfigureRequestInit): void {
  if (m.config) w.string(10, m.config);
  if (m.runtimeName) w.string(18, m.runtimeName);
  if (m.runtimeVersion) w.string(26, m.runtimeVersion);
  if (m.registrationTimeout) w.int64(32, m.registrationTimeout);
  if (m.requestTimeout) w.int64(40, m.requestTimeout);
  if (m.NRIVersion) w.string(50, m.NRIVersion);
}
export const ConfigureRequest = { message: "ConfigureRequest", read: readConfigureRequest, write: writeConfigureRequest } as const;

export interface ConfigureResponse {
  events: number;
}
export interface ConfigureResponseInit {
  readonly events?: number | undefined;
}
function emptyConfigureResponse(): ConfigureResponse {
  return { events: 0 };
}
export function readConfigureResponse(r: Reader, end: number, m: ConfigureResponse = emptyConfigureResponse()): ConfigureResponse {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 16: m.events = r.int32(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeConfigureResponse(w: Writer, m: ConfigureResponseInit): void {
  if (m.events) w.int32(16, m.events);
}
export const ConfigureResponse = { message: "ConfigureResponse", read: readConfigureResponse, write: writeConfigureResponse } as const;

export interface Container {
  id: string;
  podSandboxId: string;
  name: string;
  state: ContainerState;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  args: string[];
  env: string[];
  mounts: Mount[];
  hooks?: Hooks;
  linux?: LinuxContainer;
  pid: number;
  rlimits: POSIXRlimit[];
  createdAt: bigint;
  startedAt: bigint;
  finishedAt: bigint;
  exitCode: number;
  statusReason: string;
  statusMessage: string;
  CDIDevices: CDIDevice[];
  user?: User;
  image?: Image;
}
export interface ContainerInit {
  readonly id?: string | undefined;
  readonly podSandboxId?: string | undefined;
  readonly name?: string | undefined;
  readonly state?: ContainerState | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly mounts?: readonly MountInit[] | undefined;
  readonly hooks?: HooksInit | undefined;
  readonly linux?: LinuxContainerInit | undefined;
  readonly pid?: number | undefined;
  readonly rlimits?: readonly POSIXRlimitInit[] | undefined;
  readonly createdAt?: bigint | undefined;
  readonly startedAt?: bigint | undefined;
  readonly finishedAt?: bigint | undefined;
  readonly exitCode?: number | undefined;
  readonly statusReason?: string | undefined;
  readonly statusMessage?: string | undefined;
  readonly CDIDevices?: readonly CDIDeviceInit[] | undefined;
  readonly user?: UserInit | undefined;
  readonly image?: ImageInit | undefined;
}
function emptyContainer(): Container {
  return { id: "", podSandboxId: "", name: "", state: ContainerStateNames[0], labels: emptyMap(), annotations: emptyMap(), args: [], env: [], mounts: [], pid: 0, rlimits: [], createdAt: 0n, startedAt: 0n, finishedAt: 0n, exitCode: 0, statusReason: "", statusMessage: "", CDIDevices: [] };
}
export function readContainer(r: Reader, end: number, m: Container = emptyContainer()): Container {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.id = r.string(); break;
      case 18: m.podSandboxId = r.string(); break;
      case 26: m.name = r.string(); break;
      case 32: m.state = readContainerState(r); break;
      case 42: readStringEntry(r, r.enter(), m.labels); break;
      case 50: readStringEntry(r, r.enter(), m.annotations); break;
      case 58: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.args.push(r.string()); break;
      case 66: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.env.push(r.string()); break;
      case 74: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.mounts.push(readMount(r, r.enter())); break;
      case 82: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.hooks = readHooks(r, r.enter(), m.hooks); break;
      case 90: m.linux = readLinuxContainer(r, r.enter(), m.linux); break;
      case 96: m.pid = r.uint32(); break;
      case 106: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.rlimits.push(readPOSIXRlimit(r, r.enter())); break;
      case 112: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.createdAt = r.bigInt64(); break;
      case 120: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.startedAt = r.bigInt64(); break;
      case 128: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.finishedAt = r.bigInt64(); break;
      case 136: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.exitCode = r.int32(); break;
      case 146: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.statusReason = r.string(); break;
      case 154: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.statusMessage = r.string(); break;
      case 162: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.CDIDevices.push(readCDIDevice(r, r.enter())); break;
      case 170: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.user = readUser(r, r.enter(), m.user); break;
      case 178: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.image = readImage(r, r.enter(), m.image); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeContainer(w: Writer, m: ContainerInit): void {
  if (m.id) w.string(10, m.id);
  if (m.podSandboxId) w.string(18, m.podSandboxId);
  if (m.name) w.string(26, m.name);
  if (m.state && m.state !== ContainerStateNames[0]) w.int32(32, ContainerStateNumbers[m.state]);
  if (m.labels) for (const [k, v] of Object.entries(m.labels)) { w.open(42); writeStringEntry(w, k, v); w.close(); }
  if (m.annotations) for (const [k, v] of Object.entries(m.annotations)) { w.open(50); writeStringEntry(w, k, v); w.close(); }
  if (m.args) for (const v of m.args) w.string(58, v);
  if (m.env) for (const v of m.env) w.string(66, v);
  if (m.mounts) for (const v of m.mounts) { w.open(74); writeMount(w, v); w.close(); }
  if (m.hooks !== undefined) { w.open(82); writeHooks(w, m.hooks); w.close(); }
  if (m.linux !== undefined) { w.open(90); writeLinuxContainer(w, m.linux); w.close(); }
  if (m.pid) w.uint32(96, m.pid);
  if (m.rlimits) for (const v of m.rlimits) { w.open(106); writePOSIXRlimit(w, v); w.close(); }
  if (m.createdAt) w.int64(112, m.createdAt);
  if (m.startedAt) w.int64(120, m.startedAt);
  if (m.finishedAt) w.int64(128, m.finishedAt);
  if (m.exitCode) w.int32(136, m.exitCode);
  if (m.statusReason) w.string(146, m.statusReason);
  if (m.statusMessage) w.string(154, m.statusMessage);
  if (m.CDIDevices) for (const v of m.CDIDevices) { w.open(162); writeCDIDevice(w, v); w.close(); }
  if (m.user !== undefined) { w.open(170); writeUser(w, m.user); w.close(); }
  if (m.image !== undefined) { w.open(178); writeImage(w, m.image); w.close(); }
}
export const Container = { message: "Container", read: readContainer, write: writeContainer } as const;

export interface ContainerAdjustment {
  annotations: Record<string, string>;
  mounts: Mount[];
  env: KeyValue[];
  hooks?: Hooks;
  linux?: LinuxContainerAdjustment;
  rlimits: POSIXRlimit[];
  CDIDevices: CDIDevice[];
  args: string[];
}
export interface ContainerAdjustmentInit {
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly mounts?: readonly MountInit[] | undefined;
  readonly env?: readonly KeyValueInit[] | undefined;
  readonly hooks?: HooksInit | undefined;
  readonly linux?: LinuxContainerAdjustmentInit | undefined;
  readonly rlimits?: readonly POSIXRlimitInit[] | undefined;
  readonly CDIDevices?: readonly CDIDeviceInit[] | undefined;
  readonly args?: readonly string[] | undefined;
}
function emptyContainerAdjustment(): ContainerAdjustment {
  return { annotations: emptyMap(), mounts: [], env: [], rlimits: [], CDIDevices: [], args: [] };
}
export function readContainerAdjustment(r: Reader, end: number, m: ContainerAdjustment = emptyContainerAdjustment()): ContainerAdjustment {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 18: readStringEntry(r, r.enter(), m.annotations); break;
      case 26: m.mounts.push(readMount(r, r.enter())); break;
      case 34: m.env.push(readKeyValue(r, r.enter())); break;
      case 42: m.hooks = readHooks(r, r.enter(), m.hooks); break;
      case 50: m.linux = readLinuxContainerAdjustment(r, r.enter(), m.linux); break;
      case 58: m.rlimits.push(readPOSIXRlimit(r, r.enter())); break;
      case 66: m.CDIDevices.push(readCDIDevice(r, r.enter())); break;
      case 74: m.args.push(r.string()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeContainerAdjustment(w: Writer, m: ContainerAdjustmentInit): void {
  if (m.annotations) for (const [k, v] of Object.entries(m.annotations)) { w.open(18); writeStringEntry(w, k, v); w.close(); }
  if (m.mounts) for (const v of m.mounts) { w.open(26); writeMount(w, v); w.close(); }
  if (m.env) for (const v of m.env) { w.open(34); writeKeyValue(w, v); w.close(); }
  if (m.hooks !== undefined) { w.open(42); writeHooks(w, m.hooks); w.close(); }
  if (m.linux !== undefined) { w.open(50); writeLinuxContainerAdjustment(w, m.linux); w.close(); }
  if (m.rlimits) for (const v of m.rlimits) { w.open(58); writePOSIXRlimit(w, v); w.close(); }
  if (m.CDIDevices) for (const v of m.CDIDevices) { w.open(66); writeCDIDevice(w, v); w.close(); }
  if (m.args) for (const v of m.args) w.string(74, v);
}

export interface ContainerEviction {
  containerId: string;
  reason: string;
}
export interface ContainerEvictionInit {
  readonly containerId?: string | undefined;
  readonly reason?: string | undefined;
}
function emptyContainerEviction(): ContainerEviction {
  return { containerId: "", reason: "" };
}
export function readContainerEviction(r: Reader, end: number, m: ContainerEviction = emptyContainerEviction()): ContainerEviction {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.containerId = r.string(); break;
      case 18: m.reason = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeContainerEviction(w: Writer, m: ContainerEvictionInit): void {
  if (m.containerId) w.string(10, m.containerId);
  if (m.reason) w.string(18, m.reason);
}

export interface ContainerUpdate {
  containerId: string;
  linux?: LinuxContainerUpdate;
  ignoreFailure: boolean;
}
export interface ContainerUpdateInit {
  readonly containerId?: string | undefined;
  readonly linux?: LinuxContainerUpdateInit | undefined;
  readonly ignoreFailure?: boolean | undefined;
}
function emptyContainerUpdate(): ContainerUpdate {
  return { containerId: "", ignoreFailure: false };
}
export function readContainerUpdate(r: Reader, end: number, m: ContainerUpdate = emptyContainerUpdate()): ContainerUpdate {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.containerId = r.string(); break;
      case 18: m.linux = readLinuxContainerUpdate(r, r.enter(), m.linux); break;
      case 24: m.ignoreFailure = r.bool(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeContainerUpdate(w: Writer, m: ContainerUpdateInit): void {
  if (m.containerId) w.string(10, m.containerId);
  if (m.linux !== undefined) { w.open(18); writeLinuxContainerUpdate(w, m.linux); w.close(); }
  if (m.ignoreFailure) w.bool(24, m.ignoreFailure);
}

export interface CreateContainerRequest {
  pod?: PodSandbox;
  container?: Container;
}
export interface CreateContainerRequestInit {
  readonly pod?: PodSandboxInit | undefined;
  readonly container?: ContainerInit | undefined;
}
function emptyCreateContainerRequest(): CreateContainerRequest {
  return {  };
}
export function readCreateContainerRequest(r: Reader, end: number, m: CreateContainerRequest = emptyCreateContainerRequest()): CreateContainerRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pod = readPodSandbox(r, r.enter(), m.pod); break;
      case 18: m.container = readContainer(r, r.enter(), m.container); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeCreateContainerRequest(w: Writer, m: CreateContainerRequestInit): void {
  if (m.pod !== undefined) { w.open(10); writePodSandbox(w, m.pod); w.close(); }
  if (m.container !== undefined) { w.open(18); writeContainer(w, m.container); w.close(); }
}
export const CreateContainerRequest = { message: "CreateContainerRequest", read: readCreateContainerRequest, write: writeCreateContainerRequest } as const;

export interface CreateContainerResponse {
  adjust?: ContainerAdjustment;
  update: ContainerUpdate[];
  evict: ContainerEviction[];
}
export interface CreateContainerResponseInit {
  readonly adjust?: ContainerAdjustmentInit | undefined;
  readonly update?: readonly ContainerUpdateInit[] | undefined;
  readonly evict?: readonly ContainerEvictionInit[] | undefined;
}
function emptyCreateContainerResponse(): CreateContainerResponse {
  return { update: [], evict: [] };
}
export function readCreateContainerResponse(r: Reader, end: number, m: CreateContainerResponse = emptyCreateContainerResponse()): CreateContainerResponse {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.adjust = readContainerAdjustment(r, r.enter(), m.adjust); break;
      case 18: m.update.push(readContainerUpdate(r, r.enter())); break;
      case 26: m.evict.push(readContainerEviction(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeCreateContainerResponse(w: Writer, m: CreateContainerResponseInit): void {
  if (m.adjust !== undefined) { w.open(10); writeContainerAdjustment(w, m.adjust); w.close(); }
  if (m.update) for (const v of m.update) { w.open(18); writeContainerUpdate(w, v); w.close(); }
  if (m.evict) for (const v of m.evict) { w.open(26); writeContainerEviction(w, v); w.close(); }
}
export const CreateContainerResponse = { message: "CreateContainerResponse", read: readCreateContainerResponse, write: writeCreateContainerResponse } as const;

export interface Hook {
  path: string;
  args: string[];
  env: string[];
  timeout?: bigint;
}
export interface HookInit {
  readonly path?: string | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  readonly timeout?: bigint | undefined;
}
function emptyHook(): Hook {
  return { path: "", args: [], env: [] };
}
export function readHook(r: Reader, end: number, m: Hook = emptyHook()): Hook {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.path = r.string(); break;
      case 18: m.args.push(r.string()); break;
      case 26: m.env.push(r.string()); break;
      case 34: m.timeout = readOptionalInt(r, r.enter(), m.timeout); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeHook(w: Writer, m: HookInit): void {
  if (m.path) w.string(10, m.path);
  if (m.args) for (const v of m.args) w.string(18, v);
  if (m.env) for (const v of m.env) w.string(26, v);
  if (m.timeout !== undefined) { w.open(34); writeOptionalInt(w, m.timeout); w.close(); }
}

export interface Hooks {
  prestart: Hook[];
  createRuntime: Hook[];
  createContainer: Hook[];
  startContainer: Hook[];
  poststart: Hook[];
  poststop: Hook[];
}
export interface HooksInit {
  readonly prestart?: readonly HookInit[] | undefined;
  readonly createRuntime?: readonly HookInit[] | undefined;
  readonly createContainer?: readonly HookInit[] | undefined;
  readonly startContainer?: readonly HookInit[] | undefined;
  readonly poststart?: readonly HookInit[] | undefined;
  readonly poststop?: readonly HookInit[] | undefined;
}
function emptyHooks(): Hooks {
  return { prestart: [], createRuntime: [], createContainer: [], startContainer: [], poststart: [], poststop: [] };
}
export function readHooks(r: Reader, end: number, m: Hooks = emptyHooks()): Hooks {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.prestart.push(readHook(r, r.enter())); break;
      case 18: m.createRuntime.push(readHook(r, r.enter())); break;
      case 26: m.createContainer.push(readHook(r, r.enter())); break;
      case 34: m.startContainer.push(readHook(r, r.enter())); break;
      case 42: m.poststart.push(readHook(r, r.enter())); break;
      case 50: m.poststop.push(readHook(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeHooks(w: Writer, m: HooksInit): void {
  if (m.prestart) for (const v of m.prestart) { w.open(10); writeHook(w, v); w.close(); }
  if (m.createRuntime) for (const v of m.createRuntime) { w.open(18); writeHook(w, v); w.close(); }
  if (m.createContainer) for (const v of m.createContainer) { w.open(26); writeHook(w, v); w.close(); }
  if (m.startContainer) for (const v of m.startContainer) { w.open(34); writeHook(w, v); w.close(); }
  if (m.poststart) for (const v of m.poststart) { w.open(42); writeHook(w, v); w.close(); }
  if (m.poststop) for (const v of m.poststop) { w.open(50); writeHook(w, v); w.close(); }
}

export interface HugepageLimit {
  pageSize: string;
  limit: bigint;
}
export interface HugepageLimitInit {
  readonly pageSize?: string | undefined;
  readonly limit?: bigint | undefined;
}
function emptyHugepageLimit(): HugepageLimit {
  return { pageSize: "", limit: 0n };
}
export function readHugepageLimit(r: Reader, end: number, m: HugepageLimit = emptyHugepageLimit()): HugepageLimit {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pageSize = r.string(); break;
      case 16: m.limit = r.bigUint64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeHugepageLimit(w: Writer, m: HugepageLimitInit): void {
  if (m.pageSize) w.string(10, m.pageSize);
  if (m.limit) w.uint64(16, m.limit);
}

export interface Image {
  name: string;
  digest: string;
  configDigest: string;
}
export interface ImageInit {
  readonly name?: string | undefined;
  readonly digest?: string | undefined;
  readonly configDigest?: string | undefined;
}
function emptyImage(): Image {
  return { name: "", digest: "", configDigest: "" };
}
export function readImage(r: Reader, end: number, m: Image = emptyImage()): Image {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.name = r.string(); break;
      case 18: m.digest = r.string(); break;
      case 26: m.configDigest = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeImage(w: Writer, m: ImageInit): void {
  if (m.name) w.string(10, m.name);
  if (m.digest) w.string(18, m.digest);
  if (m.configDigest) w.string(26, m.configDigest);
}

export interface KeyValue {
  key: string;
  value: string;
}
export interface KeyValueInit {
  readonly key?: string | undefined;
  readonly value?: string | undefined;
}
function emptyKeyValue(): KeyValue {
  return { key: "", value: "" };
}
export function readKeyValue(r: Reader, end: number, m: KeyValue = emptyKeyValue()): KeyValue {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.key = r.string(); break;
      case 18: m.value = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeKeyValue(w: Writer, m: KeyValueInit): void {
  if (m.key) w.string(10, m.key);
  if (m.value) w.string(18, m.value);
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
export interface LinuxCPUInit {
  readonly shares?: bigint | undefined;
  readonly quota?: bigint | undefined;
  readonly period?: bigint | undefined;
  readonly realtimeRuntime?: bigint | undefined;
  readonly realtimePeriod?: bigint | undefined;
  readonly cpus?: string | undefined;
  readonly mems?: string | undefined;
}
function emptyLinuxCPU(): LinuxCPU {
  return { cpus: "", mems: "" };
}
export function readLinuxCPU(r: Reader, end: number, m: LinuxCPU = emptyLinuxCPU()): LinuxCPU {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.shares = readOptionalUInt64(r, r.enter(), m.shares); break;
      case 18: m.quota = readOptionalInt64(r, r.enter(), m.quota); break;
      case 26: m.period = readOptionalUInt64(r, r.enter(), m.period); break;
      case 34: m.realtimeRuntime = readOptionalInt64(r, r.enter(), m.realtimeRuntime); break;
      case 42: m.realtimePeriod = readOptionalUInt64(r, r.enter(), m.realtimePeriod); break;
      case 50: m.cpus = r.string(); break;
      case 58: m.mems = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxCPU(w: Writer, m: LinuxCPUInit): void {
  if (m.shares !== undefined) { w.open(10); writeOptionalUInt64(w, m.shares); w.close(); }
  if (m.quota !== undefined) { w.open(18); writeOptionalInt64(w, m.quota); w.close(); }
  if (m.period !== undefined) { w.open(26); writeOptionalUInt64(w, m.period); w.close(); }
  if (m.realtimeRuntime !== undefined) { w.open(34); writeOptionalInt64(w, m.realtimeRuntime); w.close(); }
  if (m.realtimePeriod !== undefined) { w.open(42); writeOptionalUInt64(w, m.realtimePeriod); w.close(); }
  if (m.cpus) w.string(50, m.cpus);
  if (m.mems) w.string(58, m.mems);
}

export interface LinuxContainer {
  namespaces: LinuxNamespace[];
  devices: LinuxDevice[];
  resources?: LinuxResources;
  oomScoreAdj?: bigint;
  cgroupsPath: string;
  ioPriority?: LinuxIOPriority;
  seccompProfile?: SecurityProfile;
  seccompPolicy?: LinuxSeccomp;
  sysctl: Record<string, string>;
  netDevices: Record<string, LinuxNetDevice>;
  scheduler?: LinuxScheduler;
  rdt?: LinuxRdt;
}
export interface LinuxContainerInit {
  readonly namespaces?: readonly LinuxNamespaceInit[] | undefined;
  readonly devices?: readonly LinuxDeviceInit[] | undefined;
  readonly resources?: LinuxResourcesInit | undefined;
  readonly oomScoreAdj?: bigint | undefined;
  readonly cgroupsPath?: string | undefined;
  readonly ioPriority?: LinuxIOPriorityInit | undefined;
  readonly seccompProfile?: SecurityProfileInit | undefined;
  readonly seccompPolicy?: LinuxSeccompInit | undefined;
  readonly sysctl?: Readonly<Record<string, string>> | undefined;
  readonly netDevices?: Readonly<Record<string, LinuxNetDeviceInit>> | undefined;
  readonly scheduler?: LinuxSchedulerInit | undefined;
  readonly rdt?: LinuxRdtInit | undefined;
}
function emptyLinuxContainer(): LinuxContainer {
  return { namespaces: [], devices: [], cgroupsPath: "", sysctl: emptyMap(), netDevices: emptyMap() };
}
export function readLinuxContainer(r: Reader, end: number, m: LinuxContainer = emptyLinuxContainer()): LinuxContainer {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.namespaces.push(readLinuxNamespace(r, r.enter())); break;
      case 18: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.devices.push(readLinuxDevice(r, r.enter())); break;
      case 26: m.resources = readLinuxResources(r, r.enter(), m.resources); break;
      case 34: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.oomScoreAdj = readOptionalInt(r, r.enter(), m.oomScoreAdj); break;
      case 42: m.cgroupsPath = r.string(); break;
      case 50: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.ioPriority = readLinuxIOPriority(r, r.enter(), m.ioPriority); break;
      case 58: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.seccompProfile = readSecurityProfile(r, r.enter(), m.seccompProfile); break;
      case 66: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.seccompPolicy = readLinuxSeccomp(r, r.enter(), m.seccompPolicy); break;
      case 74: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else readStringEntry(r, r.enter(), m.sysctl); break;
      case 82: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else readLinuxNetDeviceEntry(r, r.enter(), m.netDevices); break;
      case 90: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.scheduler = readLinuxScheduler(r, r.enter(), m.scheduler); break;
      case 98: if (r.sparing) r.skipType(tag & 7, undefined, tag >>> 3); else m.rdt = readLinuxRdt(r, r.enter(), m.rdt); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxContainer(w: Writer, m: LinuxContainerInit): void {
  if (m.namespaces) for (const v of m.namespaces) { w.open(10); writeLinuxNamespace(w, v); w.close(); }
  if (m.devices) for (const v of m.devices) { w.open(18); writeLinuxDevice(w, v); w.close(); }
  if (m.resources !== undefined) { w.open(26); writeLinuxResources(w, m.resources); w.close(); }
  if (m.oomScoreAdj !== undefined) { w.open(34); writeOptionalInt(w, m.oomScoreAdj); w.close(); }
  if (m.cgroupsPath) w.string(42, m.cgroupsPath);
  if (m.ioPriority !== undefined) { w.open(50); writeLinuxIOPriority(w, m.ioPriority); w.close(); }
  if (m.seccompProfile !== undefined) { w.open(58); writeSecurityProfile(w, m.seccompProfile); w.close(); }
  if (m.seccompPolicy !== undefined) { w.open(66); writeLinuxSeccomp(w, m.seccompPolicy); w.close(); }
  if (m.sysctl) for (const [k, v] of Object.entries(m.sysctl)) { w.open(74); writeStringEntry(w, k, v); w.close(); }
  if (m.netDevices) for (const [k, v] of Object.entries(m.netDevices)) { w.open(82); writeLinuxNetDeviceEntry(w, k, v); w.close(); }
  if (m.scheduler !== undefined) { w.open(90); writeLinuxScheduler(w, m.scheduler); w.close(); }
  if (m.rdt !== undefined) { w.open(98); writeLinuxRdt(w, m.rdt); w.close(); }
}

export interface LinuxContainerAdjustment {
  devices: LinuxDevice[];
  resources?: LinuxResources;
  cgroupsPath: string;
  oomScoreAdj?: bigint;
  ioPriority?: LinuxIOPriority;
  seccompPolicy?: LinuxSeccomp;
  namespaces: LinuxNamespace[];
  sysctl: Record<string, string>;
  netDevices: Record<string, LinuxNetDevice>;
  scheduler?: LinuxScheduler;
  rdt?: LinuxRdt;
  memoryPolicy?: LinuxMemoryPolicy;
}
export interface LinuxContainerAdjustmentInit {
  readonly devices?: readonly LinuxDeviceInit[] | undefined;
  readonly resources?: LinuxResourcesInit | undefined;
  readonly cgroupsPath?: string | undefined;
  readonly oomScoreAdj?: bigint | undefined;
  readonly ioPriority?: LinuxIOPriorityInit | undefined;
  readonly seccompPolicy?: LinuxSeccompInit | undefined;
  readonly namespaces?: readonly LinuxNamespaceInit[] | undefined;
  readonly sysctl?: Readonly<Record<string, string>> | undefined;
  readonly netDevices?: Readonly<Record<string, LinuxNetDeviceInit>> | undefined;
  readonly scheduler?: LinuxSchedulerInit | undefined;
  readonly rdt?: LinuxRdtInit | undefined;
  readonly memoryPolicy?: LinuxMemoryPolicyInit | undefined;
}
function emptyLinuxContainerAdjustment(): LinuxContainerAdjustment {
  return { devices: [], cgroupsPath: "", namespaces: [], sysctl: emptyMap(), netDevices: emptyMap() };
}
export function readLinuxContainerAdjustment(r: Reader, end: number, m: LinuxContainerAdjustment = emptyLinuxContainerAdjustment()): LinuxContainerAdjustment {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.devices.push(readLinuxDevice(r, r.enter())); break;
      case 18: m.resources = readLinuxResources(r, r.enter(), m.resources); break;
      case 26: m.cgroupsPath = r.string(); break;
      case 34: m.oomScoreAdj = readOptionalInt(r, r.enter(), m.oomScoreAdj); break;
      case 42: m.ioPriority = readLinuxIOPriority(r, r.enter(), m.ioPriority); break;
      case 50: m.seccompPolicy = readLinuxSeccomp(r, r.enter(), m.seccompPolicy); break;
      case 58: m.namespaces.push(readLinuxNamespace(r, r.enter())); break;
      case 66: readStringEntry(r, r.enter(), m.sysctl); break;
      case 74: readLinuxNetDeviceEntry(r, r.enter(), m.netDevices); break;
      case 82: m.scheduler = readLinuxScheduler(r, r.enter(), m.scheduler); break;
      case 90: m.rdt = readLinuxRdt(r, r.enter(), m.rdt); break;
      case 98: m.memoryPolicy = readLinuxMemoryPolicy(r, r.enter(), m.memoryPolicy); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxContainerAdjustment(w: Writer, m: LinuxContainerAdjustmentInit): void {
  if (m.devices) for (const v of m.devices) { w.open(10); writeLinuxDevice(w, v); w.close(); }
  if (m.resources !== undefined) { w.open(18); writeLinuxResources(w, m.resources); w.close(); }
  if (m.cgroupsPath) w.string(26, m.cgroupsPath);
  if (m.oomScoreAdj !== undefined) { w.open(34); writeOptionalInt(w, m.oomScoreAdj); w.close(); }
  if (m.ioPriority !== undefined) { w.open(42); writeLinuxIOPriority(w, m.ioPriority); w.close(); }
  if (m.seccompPolicy !== undefined) { w.open(50); writeLinuxSeccomp(w, m.seccompPolicy); w.close(); }
  if (m.namespaces) for (const v of m.namespaces) { w.open(58); writeLinuxNamespace(w, v); w.close(); }
  if (m.sysctl) for (const [k, v] of Object.entries(m.sysctl)) { w.open(66); writeStringEntry(w, k, v); w.close(); }
  if (m.netDevices) for (const [k, v] of Object.entries(m.netDevices)) { w.open(74); writeLinuxNetDeviceEntry(w, k, v); w.close(); }
  if (m.scheduler !== undefined) { w.open(82); writeLinuxScheduler(w, m.scheduler); w.close(); }
  if (m.rdt !== undefined) { w.open(90); writeLinuxRdt(w, m.rdt); w.close(); }
  if (m.memoryPolicy !== undefined) { w.open(98); writeLinuxMemoryPolicy(w, m.memoryPolicy); w.close(); }
}

export interface LinuxContainerUpdate {
  resources?: LinuxResources;
}
export interface LinuxContainerUpdateInit {
  readonly resources?: LinuxResourcesInit | undefined;
}
function emptyLinuxContainerUpdate(): LinuxContainerUpdate {
  return {  };
}
export function readLinuxContainerUpdate(r: Reader, end: number, m: LinuxContainerUpdate = emptyLinuxContainerUpdate()): LinuxContainerUpdate {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.resources = readLinuxResources(r, r.enter(), m.resources); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxContainerUpdate(w: Writer, m: LinuxContainerUpdateInit): void {
  if (m.resources !== undefined) { w.open(10); writeLinuxResources(w, m.resources); w.close(); }
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
export interface LinuxDeviceInit {
  readonly path?: string | undefined;
  readonly type?: string | undefined;
  readonly major?: bigint | undefined;
  readonly minor?: bigint | undefined;
  readonly fileMode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}
function emptyLinuxDevice(): LinuxDevice {
  return { path: "", type: "", major: 0n, minor: 0n };
}
export function readLinuxDevice(r: Reader, end: number, m: LinuxDevice = emptyLinuxDevice()): LinuxDevice {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.path = r.string(); break;
      case 18: m.type = r.string(); break;
      case 24: m.major = r.bigInt64(); break;
      case 32: m.minor = r.bigInt64(); break;
      case 42: m.fileMode = readOptionalFileMode(r, r.enter(), m.fileMode); break;
      case 50: m.uid = readOptionalUInt32(r, r.enter(), m.uid); break;
      case 58: m.gid = readOptionalUInt32(r, r.enter(), m.gid); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxDevice(w: Writer, m: LinuxDeviceInit): void {
  if (m.path) w.string(10, m.path);
  if (m.type) w.string(18, m.type);
  if (m.major) w.int64(24, m.major);
  if (m.minor) w.int64(32, m.minor);
  if (m.fileMode !== undefined) { w.open(42); writeOptionalFileMode(w, m.fileMode); w.close(); }
  if (m.uid !== undefined) { w.open(50); writeOptionalUInt32(w, m.uid); w.close(); }
  if (m.gid !== undefined) { w.open(58); writeOptionalUInt32(w, m.gid); w.close(); }
}

export interface LinuxDeviceCgroup {
  allow: boolean;
  type: string;
  major?: bigint;
  minor?: bigint;
  access: string;
}
export interface LinuxDeviceCgroupInit {
  readonly allow?: boolean | undefined;
  readonly type?: string | undefined;
  readonly major?: bigint | undefined;
  readonly minor?: bigint | undefined;
  readonly access?: string | undefined;
}
function emptyLinuxDeviceCgroup(): LinuxDeviceCgroup {
  return { allow: false, type: "", access: "" };
}
export function readLinuxDeviceCgroup(r: Reader, end: number, m: LinuxDeviceCgroup = emptyLinuxDeviceCgroup()): LinuxDeviceCgroup {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.allow = r.bool(); break;
      case 18: m.type = r.string(); break;
      case 26: m.major = readOptionalInt64(r, r.enter(), m.major); break;
      case 34: m.minor = readOptionalInt64(r, r.enter(), m.minor); break;
      case 42: m.access = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxDeviceCgroup(w: Writer, m: LinuxDeviceCgroupInit): void {
  if (m.allow) w.bool(8, m.allow);
  if (m.type) w.string(18, m.type);
  if (m.major !== undefined) { w.open(26); writeOptionalInt64(w, m.major); w.close(); }
  if (m.minor !== undefined) { w.open(34); writeOptionalInt64(w, m.minor); w.close(); }
  if (m.access) w.string(42, m.access);
}

export interface LinuxIOPriority {
  class: IOPrioClass;
  priority: number;
}
export interface LinuxIOPriorityInit {
  readonly class?: IOPrioClass | undefined;
  readonly priority?: number | undefined;
}
function emptyLinuxIOPriority(): LinuxIOPriority {
  return { class: IOPrioClassNames[0], priority: 0 };
}
export function readLinuxIOPriority(r: Reader, end: number, m: LinuxIOPriority = emptyLinuxIOPriority()): LinuxIOPriority {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.class = readIOPrioClass(r); break;
      case 16: m.priority = r.int32(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxIOPriority(w: Writer, m: LinuxIOPriorityInit): void {
  if (m.class && m.class !== IOPrioClassNames[0]) w.int32(8, IOPrioClassNumbers[m.class]);
  if (m.priority) w.int32(16, m.priority);
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
export interface LinuxMemoryInit {
  readonly limit?: bigint | undefined;
  readonly reservation?: bigint | undefined;
  readonly swap?: bigint | undefined;
  readonly kernel?: bigint | undefined;
  readonly kernelTcp?: bigint | undefined;
  readonly swappiness?: bigint | undefined;
  readonly disableOomKiller?: boolean | undefined;
  readonly useHierarchy?: boolean | undefined;
}
function emptyLinuxMemory(): LinuxMemory {
  return {  };
}
export function readLinuxMemory(r: Reader, end: number, m: LinuxMemory = emptyLinuxMemory()): LinuxMemory {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.limit = readOptionalInt64(r, r.enter(), m.limit); break;
      case 18: m.reservation = readOptionalInt64(r, r.enter(), m.reservation); break;
      case 26: m.swap = readOptionalInt64(r, r.enter(), m.swap); break;
      case 34: m.kernel = readOptionalInt64(r, r.enter(), m.kernel); break;
      case 42: m.kernelTcp = readOptionalInt64(r, r.enter(), m.kernelTcp); break;
      case 50: m.swappiness = readOptionalUInt64(r, r.enter(), m.swappiness); break;
      case 58: m.disableOomKiller = readOptionalBool(r, r.enter(), m.disableOomKiller); break;
      case 66: m.useHierarchy = readOptionalBool(r, r.enter(), m.useHierarchy); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxMemory(w: Writer, m: LinuxMemoryInit): void {
  if (m.limit !== undefined) { w.open(10); writeOptionalInt64(w, m.limit); w.close(); }
  if (m.reservation !== undefined) { w.open(18); writeOptionalInt64(w, m.reservation); w.close(); }
  if (m.swap !== undefined) { w.open(26); writeOptionalInt64(w, m.swap); w.close(); }
  if (m.kernel !== undefined) { w.open(34); writeOptionalInt64(w, m.kernel); w.close(); }
  if (m.kernelTcp !== undefined) { w.open(42); writeOptionalInt64(w, m.kernelTcp); w.close(); }
  if (m.swappiness !== undefined) { w.open(50); writeOptionalUInt64(w, m.swappiness); w.close(); }
  if (m.disableOomKiller !== undefined) { w.open(58); writeOptionalBool(w, m.disableOomKiller); w.close(); }
  if (m.useHierarchy !== undefined) { w.open(66); writeOptionalBool(w, m.useHierarchy); w.close(); }
}

export interface LinuxMemoryPolicy {
  mode: MpolMode;
  nodes: string;
  flags: MpolFlag[];
}
export interface LinuxMemoryPolicyInit {
  readonly mode?: MpolMode | undefined;
  readonly nodes?: string | undefined;
  readonly flags?: readonly MpolFlag[] | undefined;
}
function emptyLinuxMemoryPolicy(): LinuxMemoryPolicy {
  return { mode: MpolModeNames[0], nodes: "", flags: [] };
}
export function readLinuxMemoryPolicy(r: Reader, end: number, m: LinuxMemoryPolicy = emptyLinuxMemoryPolicy()): LinuxMemoryPolicy {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.mode = readMpolMode(r); break;
      case 18: m.nodes = r.string(); break;
      case 24: m.flags.push(readMpolFlag(r)); break;
      case 26: for (const end = r.enter(); r.pos < end; ) m.flags.push(readMpolFlag(r)); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxMemoryPolicy(w: Writer, m: LinuxMemoryPolicyInit): void {
  if (m.mode && m.mode !== MpolModeNames[0]) w.int32(8, MpolModeNumbers[m.mode]);
  if (m.nodes) w.string(18, m.nodes);
  if (m.flags?.length) { w.open(26); for (const v of m.flags) w.packedInt32(MpolFlagNumbers[v]); w.close(); }
}

export interface LinuxNamespace {
  type: string;
  path: string;
}
export interface LinuxNamespaceInit {
  readonly type?: string | undefined;
  readonly path?: string | undefined;
}
function emptyLinuxNamespace(): LinuxNamespace {
  return { type: "", path: "" };
}
export function readLinuxNamespace(r: Reader, end: number, m: LinuxNamespace = emptyLinuxNamespace()): LinuxNamespace {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.type = r.string(); break;
      case 18: m.path = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxNamespace(w: Writer, m: LinuxNamespaceInit): void {
  if (m.type) w.string(10, m.type);
  if (m.path) w.string(18, m.path);
}

export interface LinuxNetDevice {
  name: string;
}
export interface LinuxNetDeviceInit {
  readonly name?: string | undefined;
}
function emptyLinuxNetDevice(): LinuxNetDevice {
  return { name: "" };
}
export function readLinuxNetDevice(r: Reader, end: number, m: LinuxNetDevice = emptyLinuxNetDevice()): LinuxNetDevice {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.name = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxNetDevice(w: Writer, m: LinuxNetDeviceInit): void {
  if (m.name) w.string(10, m.name);
}

export interface LinuxPids {
  limit: bigint;
}
export interface LinuxPidsInit {
  readonly limit?: bigint | undefined;
}
function emptyLinuxPids(): LinuxPids {
  return { limit: 0n };
}
export function readLinuxPids(r: Reader, end: number, m: LinuxPids = emptyLinuxPids()): LinuxPids {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.limit = r.bigInt64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxPids(w: Writer, m: LinuxPidsInit): void {
  if (m.limit) w.int64(8, m.limit);
}

export interface LinuxPodSandbox {
  podOverhead?: LinuxResources;
  podResources?: LinuxResources;
  cgroupParent: string;
  cgroupsPath: string;
  namespaces: LinuxNamespace[];
  resources?: LinuxResources;
}
export interface LinuxPodSandboxInit {
  readonly podOverhead?: LinuxResourcesInit | undefined;
  readonly podResources?: LinuxResourcesInit | undefined;
  readonly cgroupParent?: string | undefined;
  readonly cgroupsPath?: string | undefined;
  readonly namespaces?: readonly LinuxNamespaceInit[] | undefined;
  readonly resources?: LinuxResourcesInit | undefined;
}
function emptyLinuxPodSandbox(): LinuxPodSandbox {
  return { cgroupParent: "", cgroupsPath: "", namespaces: [] };
}
export function readLinuxPodSandbox(r: Reader, end: number, m: LinuxPodSandbox = emptyLinuxPodSandbox()): LinuxPodSandbox {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.podOverhead = readLinuxResources(r, r.enter(), m.podOverhead); break;
      case 18: m.podResources = readLinuxResources(r, r.enter(), m.podResources); break;
      case 26: m.cgroupParent = r.string(); break;
      case 34: m.cgroupsPath = r.string(); break;
      case 42: m.namespaces.push(readLinuxNamespace(r, r.enter())); break;
      case 50: m.resources = readLinuxResources(r, r.enter(), m.resources); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxPodSandbox(w: Writer, m: LinuxPodSandboxInit): void {
  if (m.podOverhead !== undefined) { w.open(10); writeLinuxResources(w, m.podOverhead); w.close(); }
  if (m.podResources !== undefined) { w.open(18); writeLinuxResources(w, m.podResources); w.close(); }
  if (m.cgroupParent) w.string(26, m.cgroupParent);
  if (m.cgroupsPath) w.string(34, m.cgroupsPath);
  if (m.namespaces) for (const v of m.namespaces) { w.open(42); writeLinuxNamespace(w, v); w.close(); }
  if (m.resources !== undefined) { w.open(50); writeLinuxResources(w, m.resources); w.close(); }
}

export interface LinuxRdt {
  closId?: string;
  schemata?: string[];
  enableMonitoring?: boolean;
  remove: boolean;
}
export interface LinuxRdtInit {
  readonly closId?: string | undefined;
  readonly schemata?: readonly string[] | undefined;
  readonly enableMonitoring?: boolean | undefined;
  readonly remove?: boolean | undefined;
}
function emptyLinuxRdt(): LinuxRdt {
  return { remove: false };
}
export function readLinuxRdt(r: Reader, end: number, m: LinuxRdt = emptyLinuxRdt()): LinuxRdt {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.closId = readOptionalString(r, r.enter(), m.closId); break;
      case 18: m.schemata = readOptionalRepeatedString(r, r.enter(), m.schemata); break;
      case 26: m.enableMonitoring = readOptionalBool(r, r.enter(), m.enableMonitoring); break;
      case 32: m.remove = r.bool(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxRdt(w: Writer, m: LinuxRdtInit): void {
  if (m.closId !== undefined) { w.open(10); writeOptionalString(w, m.closId); w.close(); }
  if (m.schemata !== undefined) { w.open(18); writeOptionalRepeatedString(w, m.schemata); w.close(); }
  if (m.enableMonitoring !== undefined) { w.open(26); writeOptionalBool(w, m.enableMonitoring); w.close(); }
  if (m.remove) w.bool(32, m.remove);
}

export interface LinuxResources {
  memory?: LinuxMemory;
  cpu?: LinuxCPU;
  hugepageLimits: HugepageLimit[];
  blockioClass?: string;
  rdtClass?: string;
  unified: Record<string, string>;
  devices: LinuxDeviceCgroup[];
  pids?: LinuxPids;
}
export interface LinuxResourcesInit {
  readonly memory?: LinuxMemoryInit | undefined;
  readonly cpu?: LinuxCPUInit | undefined;
  readonly hugepageLimits?: readonly HugepageLimitInit[] | undefined;
  readonly blockioClass?: string | undefined;
  readonly rdtClass?: string | undefined;
  readonly unified?: Readonly<Record<string, string>> | undefined;
  readonly devices?: readonly LinuxDeviceCgroupInit[] | undefined;
  readonly pids?: LinuxPidsInit | undefined;
}
function emptyLinuxResources(): LinuxResources {
  return { hugepageLimits: [], unified: emptyMap(), devices: [] };
}
export function readLinuxResources(r: Reader, end: number, m: LinuxResources = emptyLinuxResources()): LinuxResources {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.memory = readLinuxMemory(r, r.enter(), m.memory); break;
      case 18: m.cpu = readLinuxCPU(r, r.enter(), m.cpu); break;
      case 26: m.hugepageLimits.push(readHugepageLimit(r, r.enter())); break;
      case 34: m.blockioClass = readOptionalString(r, r.enter(), m.blockioClass); break;
      case 42: m.rdtClass = readOptionalString(r, r.enter(), m.rdtClass); break;
      case 50: readStringEntry(r, r.enter(), m.unified); break;
      case 58: m.devices.push(readLinuxDeviceCgroup(r, r.enter())); break;
      case 66: m.pids = readLinuxPids(r, r.enter(), m.pids); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxResources(w: Writer, m: LinuxResourcesInit): void {
  if (m.memory !== undefined) { w.open(10); writeLinuxMemory(w, m.memory); w.close(); }
  if (m.cpu !== undefined) { w.open(18); writeLinuxCPU(w, m.cpu); w.close(); }
  if (m.hugepageLimits) for (const v of m.hugepageLimits) { w.open(26); writeHugepageLimit(w, v); w.close(); }
  if (m.blockioClass !== undefined) { w.open(34); writeOptionalString(w, m.blockioClass); w.close(); }
  if (m.rdtClass !== undefined) { w.open(42); writeOptionalString(w, m.rdtClass); w.close(); }
  if (m.unified) for (const [k, v] of Object.entries(m.unified)) { w.open(50); writeStringEntry(w, k, v); w.close(); }
  if (m.devices) for (const v of m.devices) { w.open(58); writeLinuxDeviceCgroup(w, v); w.close(); }
  if (m.pids !== undefined) { w.open(66); writeLinuxPids(w, m.pids); w.close(); }
}

export interface LinuxScheduler {
  policy: LinuxSchedulerPolicy;
  nice: number;
  priority: number;
  flags: LinuxSchedulerFlag[];
  runtime: bigint;
  deadline: bigint;
  period: bigint;
}
export interface LinuxSchedulerInit {
  readonly policy?: LinuxSchedulerPolicy | undefined;
  readonly nice?: number | undefined;
  readonly priority?: number | undefined;
  readonly flags?: readonly LinuxSchedulerFlag[] | undefined;
  readonly runtime?: bigint | undefined;
  readonly deadline?: bigint | undefined;
  readonly period?: bigint | undefined;
}
function emptyLinuxScheduler(): LinuxScheduler {
  return { policy: LinuxSchedulerPolicyNames[0], nice: 0, priority: 0, flags: [], runtime: 0n, deadline: 0n, period: 0n };
}
export function readLinuxScheduler(r: Reader, end: number, m: LinuxScheduler = emptyLinuxScheduler()): LinuxScheduler {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.policy = readLinuxSchedulerPolicy(r); break;
      case 16: m.nice = r.int32(); break;
      case 24: m.priority = r.int32(); break;
      case 32: m.flags.push(readLinuxSchedulerFlag(r)); break;
      case 34: for (const end = r.enter(); r.pos < end; ) m.flags.push(readLinuxSchedulerFlag(r)); break;
      case 40: m.runtime = r.bigUint64(); break;
      case 48: m.deadline = r.bigUint64(); break;
      case 56: m.period = r.bigUint64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxScheduler(w: Writer, m: LinuxSchedulerInit): void {
  if (m.policy && m.policy !== LinuxSchedulerPolicyNames[0]) w.int32(8, LinuxSchedulerPolicyNumbers[m.policy]);
  if (m.nice) w.int32(16, m.nice);
  if (m.priority) w.int32(24, m.priority);
  if (m.flags?.length) { w.open(34); for (const v of m.flags) w.packedInt32(LinuxSchedulerFlagNumbers[v]); w.close(); }
  if (m.runtime) w.uint64(40, m.runtime);
  if (m.deadline) w.uint64(48, m.deadline);
  if (m.period) w.uint64(56, m.period);
}

export interface LinuxSeccomp {
  defaultAction: string;
  defaultErrno?: number;
  architectures: string[];
  flags: string[];
  listenerPath: string;
  listenerMetadata: string;
  syscalls: LinuxSyscall[];
}
export interface LinuxSeccompInit {
  readonly defaultAction?: string | undefined;
  readonly defaultErrno?: number | undefined;
  readonly architectures?: readonly string[] | undefined;
  readonly flags?: readonly string[] | undefined;
  readonly listenerPath?: string | undefined;
  readonly listenerMetadata?: string | undefined;
  readonly syscalls?: readonly LinuxSyscallInit[] | undefined;
}
function emptyLinuxSeccomp(): LinuxSeccomp {
  return { defaultAction: "", architectures: [], flags: [], listenerPath: "", listenerMetadata: "", syscalls: [] };
}
export function readLinuxSeccomp(r: Reader, end: number, m: LinuxSeccomp = emptyLinuxSeccomp()): LinuxSeccomp {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.defaultAction = r.string(); break;
      case 18: m.defaultErrno = readOptionalUInt32(r, r.enter(), m.defaultErrno); break;
      case 26: m.architectures.push(r.string()); break;
      case 34: m.flags.push(r.string()); break;
      case 42: m.listenerPath = r.string(); break;
      case 50: m.listenerMetadata = r.string(); break;
      case 58: m.syscalls.push(readLinuxSyscall(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxSeccomp(w: Writer, m: LinuxSeccompInit): void {
  if (m.defaultAction) w.string(10, m.defaultAction);
  if (m.defaultErrno !== undefined) { w.open(18); writeOptionalUInt32(w, m.defaultErrno); w.close(); }
  if (m.architectures) for (const v of m.architectures) w.string(26, v);
  if (m.flags) for (const v of m.flags) w.string(34, v);
  if (m.listenerPath) w.string(42, m.listenerPath);
  if (m.listenerMetadata) w.string(50, m.listenerMetadata);
  if (m.syscalls) for (const v of m.syscalls) { w.open(58); writeLinuxSyscall(w, v); w.close(); }
}

export interface LinuxSeccompArg {
  index: number;
  value: bigint;
  valueTwo: bigint;
  op: string;
}
export interface LinuxSeccompArgInit {
  readonly index?: number | undefined;
  readonly value?: bigint | undefined;
  readonly valueTwo?: bigint | undefined;
  readonly op?: string | undefined;
}
function emptyLinuxSeccompArg(): LinuxSeccompArg {
  return { index: 0, value: 0n, valueTwo: 0n, op: "" };
}
export function readLinuxSeccompArg(r: Reader, end: number, m: LinuxSeccompArg = emptyLinuxSeccompArg()): LinuxSeccompArg {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.index = r.uint32(); break;
      case 16: m.value = r.bigUint64(); break;
      case 24: m.valueTwo = r.bigUint64(); break;
      case 34: m.op = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxSeccompArg(w: Writer, m: LinuxSeccompArgInit): void {
  if (m.index) w.uint32(8, m.index);
  if (m.value) w.uint64(16, m.value);
  if (m.valueTwo) w.uint64(24, m.valueTwo);
  if (m.op) w.string(34, m.op);
}

export interface LinuxSyscall {
  names: string[];
  action: string;
  errnoRet?: number;
  args: LinuxSeccompArg[];
}
export interface LinuxSyscallInit {
  readonly names?: readonly string[] | undefined;
  readonly action?: string | undefined;
  readonly errnoRet?: number | undefined;
  readonly args?: readonly LinuxSeccompArgInit[] | undefined;
}
function emptyLinuxSyscall(): LinuxSyscall {
  return { names: [], action: "", args: [] };
}
export function readLinuxSyscall(r: Reader, end: number, m: LinuxSyscall = emptyLinuxSyscall()): LinuxSyscall {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.names.push(r.string()); break;
      case 18: m.action = r.string(); break;
      case 26: m.errnoRet = readOptionalUInt32(r, r.enter(), m.errnoRet); break;
      case 34: m.args.push(readLinuxSeccompArg(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeLinuxSyscall(w: Writer, m: LinuxSyscallInit): void {
  if (m.names) for (const v of m.names) w.string(10, v);
  if (m.action) w.string(18, m.action);
  if (m.errnoRet !== undefined) { w.open(26); writeOptionalUInt32(w, m.errnoRet); w.close(); }
  if (m.args) for (const v of m.args) { w.open(34); writeLinuxSeccompArg(w, v); w.close(); }
}

export interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}
export interface MountInit {
  readonly destination?: string | undefined;
  readonly type?: string | undefined;
  readonly source?: string | undefined;
  readonly options?: readonly string[] | undefined;
}
function emptyMount(): Mount {
  return { destination: "", type: "", source: "", options: [] };
}
export function readMount(r: Reader, end: number, m: Mount = emptyMount()): Mount {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.destination = r.string(); break;
      case 18: m.type = r.string(); break;
      case 26: m.source = r.string(); break;
      case 34: m.options.push(r.string()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeMount(w: Writer, m: MountInit): void {
  if (m.destination) w.string(10, m.destination);
  if (m.type) w.string(18, m.type);
  if (m.source) w.string(26, m.source);
  if (m.options) for (const v of m.options) w.string(34, v);
}

export interface POSIXRlimit {
  type: string;
  hard: bigint;
  soft: bigint;
}
export interface POSIXRlimitInit {
  readonly type?: string | undefined;
  readonly hard?: bigint | undefined;
  readonly soft?: bigint | undefined;
}
function emptyPOSIXRlimit(): POSIXRlimit {
  return { type: "", hard: 0n, soft: 0n };
}
export function readPOSIXRlimit(r: Reader, end: number, m: POSIXRlimit = emptyPOSIXRlimit()): POSIXRlimit {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.type = r.string(); break;
      case 16: m.hard = r.bigUint64(); break;
      case 24: m.soft = r.bigUint64(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writePOSIXRlimit(w: Writer, m: POSIXRlimitInit): void {
  if (m.type) w.string(10, m.type);
  if (m.hard) w.uint64(16, m.hard);
  if (m.soft) w.uint64(24, m.soft);
}

export interface PodSandbox {
  id: string;
  name: string;
  uid: string;
  namespace: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  runtimeHandler: string;
  linux?: LinuxPodSandbox;
  pid: number;
  ips: string[];
}
export interface PodSandboxInit {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly uid?: string | undefined;
  readonly namespace?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly runtimeHandler?: string | undefined;
  readonly linux?: LinuxPodSandboxInit | undefined;
  readonly pid?: number | undefined;
  readonly ips?: readonly string[] | undefined;
}
function emptyPodSandbox(): PodSandbox {
  return { id: "", name: "", uid: "", namespace: "", labels: emptyMap(), annotations: emptyMap(), runtimeHandler: "", pid: 0, ips: [] };
}
export function readPodSandbox(r: Reader, end: number, m: PodSandbox = emptyPodSandbox()): PodSandbox {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.id = r.string(); break;
      case 18: m.name = r.string(); break;
      case 26: m.uid = r.string(); break;
      case 34: m.namespace = r.string(); break;
      case 42: readStringEntry(r, r.enter(), m.labels); break;
      case 50: readStringEntry(r, r.enter(), m.annotations); break;
      case 58: m.runtimeHandler = r.string(); break;
      case 66: m.linux = readLinuxPodSandbox(r, r.enter(), m.linux); break;
      case 72: m.pid = r.uint32(); break;
      case 82: m.ips.push(r.string()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writePodSandbox(w: Writer, m: PodSandboxInit): void {
  if (m.id) w.string(10, m.id);
  if (m.name) w.string(18, m.name);
  if (m.uid) w.string(26, m.uid);
  if (m.namespace) w.string(34, m.namespace);
  if (m.labels) for (const [k, v] of Object.entries(m.labels)) { w.open(42); writeStringEntry(w, k, v); w.close(); }
  if (m.annotations) for (const [k, v] of Object.entries(m.annotations)) { w.open(50); writeStringEntry(w, k, v); w.close(); }
  if (m.runtimeHandler) w.string(58, m.runtimeHandler);
  if (m.linux !== undefined) { w.open(66); writeLinuxPodSandbox(w, m.linux); w.close(); }
  if (m.pid) w.uint32(72, m.pid);
  if (m.ips) for (const v of m.ips) w.string(82, v);
}
export const PodSandbox = { message: "PodSandbox", read: readPodSandbox, write: writePodSandbox } as const;

export interface RegisterPluginRequest {
  pluginName: string;
  pluginIdx: string;
  NRIVersion: string;
}
export interface RegisterPluginRequestInit {
  readonly pluginName?: string | undefined;
  readonly pluginIdx?: string | undefined;
  readonly NRIVersion?: string | undefined;
}
function emptyRegisterPluginRequest(): RegisterPluginRequest {
  return { pluginName: "", pluginIdx: "", NRIVersion: "" };
}
export function readRegisterPluginRequest(r: Reader, end: number, m: RegisterPluginRequest = emptyRegisterPluginRequest()): RegisterPluginRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pluginName = r.string(); break;
      case 18: m.pluginIdx = r.string(); break;
      case 26: m.NRIVersion = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeRegisterPluginRequest(w: Writer, m: RegisterPluginRequestInit): void {
  if (m.pluginName) w.string(10, m.pluginName);
  if (m.pluginIdx) w.string(18, m.pluginIdx);
  if (m.NRIVersion) w.string(26, m.NRIVersion);
}
export const RegisterPluginRequest = { message: "RegisterPluginRequest", read: readRegisterPluginRequest, write: writeRegisterPluginRequest } as const;

export interface Request {
  service: string;
  method: string;
  payload: Uint8Array;
  timeoutNano: bigint;
  metadata: KeyValue[];
}
export interface RequestInit {
  readonly service?: string | undefined;
  readonly method?: string | undefined;
  readonly payload?: Uint8Array | undefined;
  readonly timeoutNano?: bigint | undefined;
  readonly metadata?: readonly KeyValueInit[] | undefined;
}
function emptyRequest(): Request {
  return { service: "", method: "", payload: new Uint8Array(0), timeoutNano: 0n, metadata: [] };
}
export function readRequest(r: Reader, end: number, m: Request = emptyRequest()): Request {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.service = r.string(); break;
      case 18: m.method = r.string(); break;
      case 26: m.payload = r.bytes(); break;
      case 32: m.timeoutNano = r.bigInt64(); break;
      case 42: r.limit(m.metadata.length, 1024); m.metadata.push(readKeyValue(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeRequest(w: Writer, m: RequestInit): void {
  if (m.service) w.string(10, m.service);
  if (m.method) w.string(18, m.method);
  if (m.payload?.length) w.bytes(26, m.payload);
  if (m.timeoutNano) w.int64(32, m.timeoutNano);
  if (m.metadata) for (const v of m.metadata) { w.open(42); writeKeyValue(w, v); w.close(); }
}
export const Request = { message: "Request", read: readRequest, write: writeRequest } as const;

export interface Response {
  status?: Status;
  payload: Uint8Array;
}
export interface ResponseInit {
  readonly status?: StatusInit | undefined;
  readonly payload?: Uint8Array | undefined;
}
function emptyResponse(): Response {
  return { payload: new Uint8Array(0) };
}
export function readResponse(r: Reader, end: number, m: Response = emptyResponse()): Response {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.status = readStatus(r, r.enter(), m.status); break;
      case 18: m.payload = r.bytes(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeResponse(w: Writer, m: ResponseInit): void {
  if (m.status !== undefined) { w.open(10); writeStatus(w, m.status); w.close(); }
  if (m.payload?.length) w.bytes(18, m.payload);
}
export const Response = { message: "Response", read: readResponse, write: writeResponse } as const;

export interface RunPodSandboxRequest {
  pod?: PodSandbox;
}
export interface RunPodSandboxRequestInit {
  readonly pod?: PodSandboxInit | undefined;
}
function emptyRunPodSandboxRequest(): RunPodSandboxRequest {
  return {  };
}
export function readRunPodSandboxRequest(r: Reader, end: number, m: RunPodSandboxRequest = emptyRunPodSandboxRequest()): RunPodSandboxRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pod = readPodSandbox(r, r.enter(), m.pod); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeRunPodSandboxRequest(w: Writer, m: RunPodSandboxRequestInit): void {
  if (m.pod !== undefined) { w.open(10); writePodSandbox(w, m.pod); w.close(); }
}
export const RunPodSandboxRequest = { message: "RunPodSandboxRequest", read: readRunPodSandboxRequest, write: writeRunPodSandboxRequest } as const;

export interface SecurityProfile {
  profileType: ProfileType;
  localhostRef: string;
}
export interface SecurityProfileInit {
  readonly profileType?: ProfileType | undefined;
  readonly localhostRef?: string | undefined;
}
function emptySecurityProfile(): SecurityProfile {
  return { profileType: ProfileTypeNames[0], localhostRef: "" };
}
export function readSecurityProfile(r: Reader, end: number, m: SecurityProfile = emptySecurityProfile()): SecurityProfile {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.profileType = readProfileType(r); break;
      case 18: m.localhostRef = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeSecurityProfile(w: Writer, m: SecurityProfileInit): void {
  if (m.profileType && m.profileType !== ProfileTypeNames[0]) w.int32(8, ProfileTypeNumbers[m.profileType]);
  if (m.localhostRef) w.string(18, m.localhostRef);
}

export interface StateChangeEvent {
  event: Event;
  pod?: PodSandbox;
  container?: Container;
}
export interface StateChangeEventInit {
  readonly event?: Event | undefined;
  readonly pod?: PodSandboxInit | undefined;
  readonly container?: ContainerInit | undefined;
}
function emptyStateChangeEvent(): StateChangeEvent {
  return { event: EventNames[0] };
}
export function readStateChangeEvent(r: Reader, end: number, m: StateChangeEvent = emptyStateChangeEvent()): StateChangeEvent {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.event = readEvent(r); break;
      case 18: m.pod = readPodSandbox(r, r.enter(), m.pod); break;
      case 26: m.container = readContainer(r, r.enter(), m.container); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeStateChangeEvent(w: Writer, m: StateChangeEventInit): void {
  if (m.event && m.event !== EventNames[0]) w.int32(8, EventNumbers[m.event]);
  if (m.pod !== undefined) { w.open(18); writePodSandbox(w, m.pod); w.close(); }
  if (m.container !== undefined) { w.open(26); writeContainer(w, m.container); w.close(); }
}
export const StateChangeEvent = { message: "StateChangeEvent", read: readStateChangeEvent, write: writeStateChangeEvent } as const;

export interface Status {
  code: number;
  message: string;
}
export interface StatusInit {
  readonly code?: number | undefined;
  readonly message?: string | undefined;
}
function emptyStatus(): Status {
  return { code: 0, message: "" };
}
export function readStatus(r: Reader, end: number, m: Status = emptyStatus()): Status {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.code = r.int32(); break;
      case 18: m.message = r.string(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeStatus(w: Writer, m: StatusInit): void {
  if (m.code) w.int32(8, m.code);
  if (m.message) w.string(18, m.message);
}

export interface StopContainerResponse {
  update: ContainerUpdate[];
}
export interface StopContainerResponseInit {
  readonly update?: readonly ContainerUpdateInit[] | undefined;
}
function emptyStopContainerResponse(): StopContainerResponse {
  return { update: [] };
}
export function readStopContainerResponse(r: Reader, end: number, m: StopContainerResponse = emptyStopContainerResponse()): StopContainerResponse {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.update.push(readContainerUpdate(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeStopContainerResponse(w: Writer, m: StopContainerResponseInit): void {
  if (m.update) for (const v of m.update) { w.open(10); writeContainerUpdate(w, v); w.close(); }
}
export const StopContainerResponse = { message: "StopContainerResponse", read: readStopContainerResponse, write: writeStopContainerResponse } as const;

export interface SynchronizeRequest {
  pods: PodSandbox[];
  containers: Container[];
  more: boolean;
}
export interface SynchronizeRequestInit {
  readonly pods?: readonly PodSandboxInit[] | undefined;
  readonly containers?: readonly ContainerInit[] | undefined;
  readonly more?: boolean | undefined;
}
function emptySynchronizeRequest(): SynchronizeRequest {
  return { pods: [], containers: [], more: false };
}
export function readSynchronizeRequest(r: Reader, end: number, m: SynchronizeRequest = emptySynchronizeRequest()): SynchronizeRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pods.push(readPodSandbox(r, r.enter())); break;
      case 18: m.containers.push(readContainer(r, r.enter())); break;
      case 24: m.more = r.bool(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeSynchronizeRequest(w: Writer, m: SynchronizeRequestInit): void {
  if (m.pods) for (const v of m.pods) { w.open(10); writePodSandbox(w, v); w.close(); }
  if (m.containers) for (const v of m.containers) { w.open(18); writeContainer(w, v); w.close(); }
  if (m.more) w.bool(24, m.more);
}
export const SynchronizeRequest = { message: "SynchronizeRequest", read: readSynchronizeRequest, write: writeSynchronizeRequest } as const;

export interface SynchronizeResponse {
  update: ContainerUpdate[];
  more: boolean;
}
export interface SynchronizeResponseInit {
  readonly update?: readonly ContainerUpdateInit[] | undefined;
  readonly more?: boolean | undefined;
}
function emptySynchronizeResponse(): SynchronizeResponse {
  return { update: [], more: false };
}
export function readSynchronizeResponse(r: Reader, end: number, m: SynchronizeResponse = emptySynchronizeResponse()): SynchronizeResponse {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.update.push(readContainerUpdate(r, r.enter())); break;
      case 16: m.more = r.bool(); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeSynchronizeResponse(w: Writer, m: SynchronizeResponseInit): void {
  if (m.update) for (const v of m.update) { w.open(10); writeContainerUpdate(w, v); w.close(); }
  if (m.more) w.bool(16, m.more);
}
export const SynchronizeResponse = { message: "SynchronizeResponse", read: readSynchronizeResponse, write: writeSynchronizeResponse } as const;

export interface UpdateContainerRequest {
  pod?: PodSandbox;
  container?: Container;
  linuxResources?: LinuxResources;
}
export interface UpdateContainerRequestInit {
  readonly pod?: PodSandboxInit | undefined;
  readonly container?: ContainerInit | undefined;
  readonly linuxResources?: LinuxResourcesInit | undefined;
}
function emptyUpdateContainerRequest(): UpdateContainerRequest {
  return {  };
}
export function readUpdateContainerRequest(r: Reader, end: number, m: UpdateContainerRequest = emptyUpdateContainerRequest()): UpdateContainerRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pod = readPodSandbox(r, r.enter(), m.pod); break;
      case 18: m.container = readContainer(r, r.enter(), m.container); break;
      case 26: m.linuxResources = readLinuxResources(r, r.enter(), m.linuxResources); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeUpdateContainerRequest(w: Writer, m: UpdateContainerRequestInit): void {
  if (m.pod !== undefined) { w.open(10); writePodSandbox(w, m.pod); w.close(); }
  if (m.container !== undefined) { w.open(18); writeContainer(w, m.container); w.close(); }
  if (m.linuxResources !== undefined) { w.open(26); writeLinuxResources(w, m.linuxResources); w.close(); }
}
export const UpdateContainerRequest = { message: "UpdateContainerRequest", read: readUpdateContainerRequest, write: writeUpdateContainerRequest } as const;

export interface UpdateContainerResponse {
  update: ContainerUpdate[];
  evict: ContainerEviction[];
}
export interface UpdateContainerResponseInit {
  readonly update?: readonly ContainerUpdateInit[] | undefined;
  readonly evict?: readonly ContainerEvictionInit[] | undefined;
}
function emptyUpdateContainerResponse(): UpdateContainerResponse {
  return { update: [], evict: [] };
}
export function readUpdateContainerResponse(r: Reader, end: number, m: UpdateContainerResponse = emptyUpdateContainerResponse()): UpdateContainerResponse {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.update.push(readContainerUpdate(r, r.enter())); break;
      case 18: m.evict.push(readContainerEviction(r, r.enter())); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeUpdateContainerResponse(w: Writer, m: UpdateContainerResponseInit): void {
  if (m.update) for (const v of m.update) { w.open(10); writeContainerUpdate(w, v); w.close(); }
  if (m.evict) for (const v of m.evict) { w.open(18); writeContainerEviction(w, v); w.close(); }
}
export const UpdateContainerResponse = { message: "UpdateContainerResponse", read: readUpdateContainerResponse, write: writeUpdateContainerResponse } as const;

export interface UpdatePodSandboxRequest {
  pod?: PodSandbox;
  overheadLinuxResources?: LinuxResources;
  linuxResources?: LinuxResources;
}
export interface UpdatePodSandboxRequestInit {
  readonly pod?: PodSandboxInit | undefined;
  readonly overheadLinuxResources?: LinuxResourcesInit | undefined;
  readonly linuxResources?: LinuxResourcesInit | undefined;
}
function emptyUpdatePodSandboxRequest(): UpdatePodSandboxRequest {
  return {  };
}
export function readUpdatePodSandboxRequest(r: Reader, end: number, m: UpdatePodSandboxRequest = emptyUpdatePodSandboxRequest()): UpdatePodSandboxRequest {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 10: m.pod = readPodSandbox(r, r.enter(), m.pod); break;
      case 18: m.overheadLinuxResources = readLinuxResources(r, r.enter(), m.overheadLinuxResources); break;
      case 26: m.linuxResources = readLinuxResources(r, r.enter(), m.linuxResources); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeUpdatePodSandboxRequest(w: Writer, m: UpdatePodSandboxRequestInit): void {
  if (m.pod !== undefined) { w.open(10); writePodSandbox(w, m.pod); w.close(); }
  if (m.overheadLinuxResources !== undefined) { w.open(18); writeLinuxResources(w, m.overheadLinuxResources); w.close(); }
  if (m.linuxResources !== undefined) { w.open(26); writeLinuxResources(w, m.linuxResources); w.close(); }
}
export const UpdatePodSandboxRequest = { message: "UpdatePodSandboxRequest", read: readUpdatePodSandboxRequest, write: writeUpdatePodSandboxRequest } as const;

export interface User {
  uid: number;
  gid: number;
  additionalGids: number[];
}
export interface UserInit {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly additionalGids?: readonly number[] | undefined;
}
function emptyUser(): User {
  return { uid: 0, gid: 0, additionalGids: [] };
}
export function readUser(r: Reader, end: number, m: User = emptyUser()): User {
  while (r.pos < end) {
    const tag = r.tag();
    switch (tag) {
      case 8: m.uid = r.uint32(); break;
      case 16: m.gid = r.uint32(); break;
      case 24: m.additionalGids.push(r.uint32()); break;
      case 26: for (const end = r.enter(); r.pos < end; ) m.additionalGids.push(r.uint32()); break;
      default: r.skipType(tag & 7, undefined, tag >>> 3);
    }
  }
  r.leave(end);
  return m;
}
export function writeUser(w: Writer, m: UserInit): void {
  if (m.uid) w.uint32(8, m.uid);
  if (m.gid) w.uint32(16, m.gid);
  if (m.additionalGids?.length) { w.open(26); for (const v of m.additionalGids) w.packedUint32(v); w.close(); }
}

// For JSON: each field's name and number in the schema; whether it is one value, a list, a map, or a list in a wrapper; what
// a value is, and the scalar in it, the enum or the message.
export const shapes = {
  CDIDevice: { name: ["name", 1, "one", "scalar", "string"] },
  ConfigureRequest: { config: ["config", 1, "one", "scalar", "string"], runtimeName: ["runtime_name", 2, "one", "scalar", "string"], runtimeVersion: ["runtime_version", 3, "one", "scalar", "string"], registrationTimeout: ["registration_timeout", 4, "one", "scalar", "int64"], requestTimeout: ["request_timeout", 5, "one", "scalar", "int64"], NRIVersion: ["NRI_version", 6, "one", "scalar", "string"] },
  ConfigureResponse: { events: ["events", 2, "one", "scalar", "int32"] },
  Container: { id: ["id", 1, "one", "scalar", "string"], podSandboxId: ["pod_sandbox_id", 2, "one", "scalar", "string"], name: ["name", 3, "one", "scalar", "string"], state: ["state", 4, "one", "enum", "ContainerState"], labels: ["labels", 5, "map", "scalar", "string"], annotations: ["annotations", 6, "map", "scalar", "string"], args: ["args", 7, "list", "scalar", "string"], env: ["env", 8, "list", "scalar", "string"], mounts: ["mounts", 9, "list", "message", "Mount"], hooks: ["hooks", 10, "one", "message", "Hooks"], linux: ["linux", 11, "one", "message", "LinuxContainer"], pid: ["pid", 12, "one", "scalar", "uint32"], rlimits: ["rlimits", 13, "list", "message", "POSIXRlimit"], createdAt: ["created_at", 14, "one", "scalar", "int64"], startedAt: ["started_at", 15, "one", "scalar", "int64"], finishedAt: ["finished_at", 16, "one", "scalar", "int64"], exitCode: ["exit_code", 17, "one", "scalar", "int32"], statusReason: ["status_reason", 18, "one", "scalar", "string"], statusMessage: ["status_message", 19, "one", "scalar", "string"], CDIDevices: ["CDI_devices", 20, "list", "message", "CDIDevice"], user: ["user", 21, "one", "message", "User"], image: ["image", 22, "one", "message", "Image"] },
  ContainerAdjustment: { annotations: ["annotations", 2, "map", "scalar", "string"], mounts: ["mounts", 3, "list", "message", "Mount"], env: ["env", 4, "list", "message", "KeyValue"], hooks: ["hooks", 5, "one", "message", "Hooks"], linux: ["linux", 6, "one", "message", "LinuxContainerAdjustment"], rlimits: ["rlimits", 7, "list", "message", "POSIXRlimit"], CDIDevices: ["CDI_devices", 8, "list", "message", "CDIDevice"], args: ["args", 9, "list", "scalar", "string"] },
  ContainerEviction: { containerId: ["container_id", 1, "one", "scalar", "string"], reason: ["reason", 2, "one", "scalar", "string"] },
  ContainerUpdate: { containerId: ["container_id", 1, "one", "scalar", "string"], linux: ["linux", 2, "one", "message", "LinuxContainerUpdate"], ignoreFailure: ["ignore_failure", 3, "one", "scalar", "bool"] },
  CreateContainerRequest: { pod: ["pod", 1, "one", "message", "PodSandbox"], container: ["container", 2, "one", "message", "Container"] },
  CreateContainerResponse: { adjust: ["adjust", 1, "one", "message", "ContainerAdjustment"], update: ["update", 2, "list", "message", "ContainerUpdate"], evict: ["evict", 3, "list", "message", "ContainerEviction"] },
  Hook: { path: ["path", 1, "one", "scalar", "string"], args: ["args", 2, "list", "scalar", "string"], env: ["env", 3, "list", "scalar", "string"], timeout: ["timeout", 4, "one", "wrapper", "int64"] },
  Hooks: { prestart: ["prestart", 1, "list", "message", "Hook"], createRuntime: ["create_runtime", 2, "list", "message", "Hook"], createContainer: ["create_container", 3, "list", "message", "Hook"], startContainer: ["start_container", 4, "list", "message", "Hook"], poststart: ["poststart", 5, "list", "message", "Hook"], poststop: ["poststop", 6, "list", "message", "Hook"] },
  HugepageLimit: { pageSize: ["page_size", 1, "one", "scalar", "string"], limit: ["limit", 2, "one", "scalar", "uint64"] },
  Image: { name: ["name", 1, "one", "scalar", "string"], digest: ["digest", 2, "one", "scalar", "string"], configDigest: ["config_digest", 3, "one", "scalar", "string"] },
  KeyValue: { key: ["key", 1, "one", "scalar", "string"], value: ["value", 2, "one", "scalar", "string"] },
  LinuxCPU: { shares: ["shares", 1, "one", "wrapper", "uint64"], quota: ["quota", 2, "one", "wrapper", "int64"], period: ["period", 3, "one", "wrapper", "uint64"], realtimeRuntime: ["realtime_runtime", 4, "one", "wrapper", "int64"], realtimePeriod: ["realtime_period", 5, "one", "wrapper", "uint64"], cpus: ["cpus", 6, "one", "scalar", "string"], mems: ["mems", 7, "one", "scalar", "string"] },
  LinuxContainer: { namespaces: ["namespaces", 1, "list", "message", "LinuxNamespace"], devices: ["devices", 2, "list", "message", "LinuxDevice"], resources: ["resources", 3, "one", "message", "LinuxResources"], oomScoreAdj: ["oom_score_adj", 4, "one", "wrapper", "int64"], cgroupsPath: ["cgroups_path", 5, "one", "scalar", "string"], ioPriority: ["io_priority", 6, "one", "message", "LinuxIOPriority"], seccompProfile: ["seccomp_profile", 7, "one", "message", "SecurityProfile"], seccompPolicy: ["seccomp_policy", 8, "one", "message", "LinuxSeccomp"], sysctl: ["sysctl", 9, "map", "scalar", "string"], netDevices: ["net_devices", 10, "map", "message", "LinuxNetDevice"], scheduler: ["scheduler", 11, "one", "message", "LinuxScheduler"], rdt: ["rdt", 12, "one", "message", "LinuxRdt"] },
  LinuxContainerAdjustment: { devices: ["devices", 1, "list", "message", "LinuxDevice"], resources: ["resources", 2, "one", "message", "LinuxResources"], cgroupsPath: ["cgroups_path", 3, "one", "scalar", "string"], oomScoreAdj: ["oom_score_adj", 4, "one", "wrapper", "int64"], ioPriority: ["io_priority", 5, "one", "message", "LinuxIOPriority"], seccompPolicy: ["seccomp_policy", 6, "one", "message", "LinuxSeccomp"], namespaces: ["namespaces", 7, "list", "message", "LinuxNamespace"], sysctl: ["sysctl", 8, "map", "scalar", "string"], netDevices: ["net_devices", 9, "map", "message", "LinuxNetDevice"], scheduler: ["scheduler", 10, "one", "message", "LinuxScheduler"], rdt: ["rdt", 11, "one", "message", "LinuxRdt"], memoryPolicy: ["memory_policy", 12, "one", "message", "LinuxMemoryPolicy"] },
  LinuxContainerUpdate: { resources: ["resources", 1, "one", "message", "LinuxResources"] },
  LinuxDevice: { path: ["path", 1, "one", "scalar", "string"], type: ["type", 2, "one", "scalar", "string"], major: ["major", 3, "one", "scalar", "int64"], minor: ["minor", 4, "one", "scalar", "int64"], fileMode: ["file_mode", 5, "one", "wrapper", "uint32"], uid: ["uid", 6, "one", "wrapper", "uint32"], gid: ["gid", 7, "one", "wrapper", "uint32"] },
  LinuxDeviceCgroup: { allow: ["allow", 1, "one", "scalar", "bool"], type: ["type", 2, "one", "scalar", "string"], major: ["major", 3, "one", "wrapper", "int64"], minor: ["minor", 4, "one", "wrapper", "int64"], access: ["access", 5, "one", "scalar", "string"] },
  LinuxIOPriority: { class: ["class", 1, "one", "enum", "IOPrioClass"], priority: ["priority", 2, "one", "scalar", "int32"] },
  LinuxMemory: { limit: ["limit", 1, "one", "wrapper", "int64"], reservation: ["reservation", 2, "one", "wrapper", "int64"], swap: ["swap", 3, "one", "wrapper", "int64"], kernel: ["kernel", 4, "one", "wrapper", "int64"], kernelTcp: ["kernel_tcp", 5, "one", "wrapper", "int64"], swappiness: ["swappiness", 6, "one", "wrapper", "uint64"], disableOomKiller: ["disable_oom_killer", 7, "one", "wrapper", "bool"], useHierarchy: ["use_hierarchy", 8, "one", "wrapper", "bool"] },
  LinuxMemoryPolicy: { mode: ["mode", 1, "one", "enum", "MpolMode"], nodes: ["nodes", 2, "one", "scalar", "string"], flags: ["flags", 3, "list", "enum", "MpolFlag"] },
  LinuxNamespace: { type: ["type", 1, "one", "scalar", "string"], path: ["path", 2, "one", "scalar", "string"] },
  LinuxNetDevice: { name: ["name", 1, "one", "scalar", "string"] },
  LinuxPids: { limit: ["limit", 1, "one", "scalar", "int64"] },
  LinuxPodSandbox: { podOverhead: ["pod_overhead", 1, "one", "message", "LinuxResources"], podResources: ["pod_resources", 2, "one", "message", "LinuxResources"], cgroupParent: ["cgroup_parent", 3, "one", "scalar", "string"], cgroupsPath: ["cgroups_path", 4, "one", "scalar", "string"], namespaces: ["namespaces", 5, "list", "message", "LinuxNamespace"], resources: ["resources", 6, "one", "message", "LinuxResources"] },
  LinuxRdt: { closId: ["clos_id", 1, "one", "wrapper", "string"], schemata: ["schemata", 2, "wrapped list", "wrapper", "string"], enableMonitoring: ["enable_monitoring", 3, "one", "wrapper", "bool"], remove: ["remove", 4, "one", "scalar", "bool"] },
  LinuxResources: { memory: ["memory", 1, "one", "message", "LinuxMemory"], cpu: ["cpu", 2, "one", "message", "LinuxCPU"], hugepageLimits: ["hugepage_limits", 3, "list", "message", "HugepageLimit"], blockioClass: ["blockio_class", 4, "one", "wrapper", "string"], rdtClass: ["rdt_class", 5, "one", "wrapper", "string"], unified: ["unified", 6, "map", "scalar", "string"], devices: ["devices", 7, "list", "message", "LinuxDeviceCgroup"], pids: ["pids", 8, "one", "message", "LinuxPids"] },
  LinuxScheduler: { policy: ["policy", 1, "one", "enum", "LinuxSchedulerPolicy"], nice: ["nice", 2, "one", "scalar", "int32"], priority: ["priority", 3, "one", "scalar", "int32"], flags: ["flags", 4, "list", "enum", "LinuxSchedulerFlag"], runtime: ["runtime", 5, "one", "scalar", "uint64"], deadline: ["deadline", 6, "one", "scalar", "uint64"], period: ["period", 7, "one", "scalar", "uint64"] },
  LinuxSeccomp: { defaultAction: ["default_action", 1, "one", "scalar", "string"], defaultErrno: ["default_errno", 2, "one", "wrapper", "uint32"], architectures: ["architectures", 3, "list", "scalar", "string"], flags: ["flags", 4, "list", "scalar", "string"], listenerPath: ["listener_path", 5, "one", "scalar", "string"], listenerMetadata: ["listener_metadata", 6, "one", "scalar", "string"], syscalls: ["syscalls", 7, "list", "message", "LinuxSyscall"] },
  LinuxSeccompArg: { index: ["index", 1, "one", "scalar", "uint32"], value: ["value", 2, "one", "scalar", "uint64"], valueTwo: ["value_two", 3, "one", "scalar", "uint64"], op: ["op", 4, "one", "scalar", "string"] },
  LinuxSyscall: { names: ["names", 1, "list", "scalar", "string"], action: ["action", 2, "one", "scalar", "string"], errnoRet: ["errno_ret", 3, "one", "wrapper", "uint32"], args: ["args", 4, "list", "message", "LinuxSeccompArg"] },
  Mount: { destination: ["destination", 1, "one", "scalar", "string"], type: ["type", 2, "one", "scalar", "string"], source: ["source", 3, "one", "scalar", "string"], options: ["options", 4, "list", "scalar", "string"] },
  POSIXRlimit: { type: ["type", 1, "one", "scalar", "string"], hard: ["hard", 2, "one", "scalar", "uint64"], soft: ["soft", 3, "one", "scalar", "uint64"] },
  PodSandbox: { id: ["id", 1, "one", "scalar", "string"], name: ["name", 2, "one", "scalar", "string"], uid: ["uid", 3, "one", "scalar", "string"], namespace: ["namespace", 4, "one", "scalar", "string"], labels: ["labels", 5, "map", "scalar", "string"], annotations: ["annotations", 6, "map", "scalar", "string"], runtimeHandler: ["runtime_handler", 7, "one", "scalar", "string"], linux: ["linux", 8, "one", "message", "LinuxPodSandbox"], pid: ["pid", 9, "one", "scalar", "uint32"], ips: ["ips", 10, "list", "scalar", "string"] },
  RegisterPluginRequest: { pluginName: ["plugin_name", 1, "one", "scalar", "string"], pluginIdx: ["plugin_idx", 2, "one", "scalar", "string"], NRIVersion: ["NRI_version", 3, "one", "scalar", "string"] },
  Request: { service: ["service", 1, "one", "scalar", "string"], method: ["method", 2, "one", "scalar", "string"], payload: ["payload", 3, "one", "scalar", "bytes"], timeoutNano: ["timeout_nano", 4, "one", "scalar", "int64"], metadata: ["metadata", 5, "list", "message", "KeyValue"] },
  Response: { status: ["status", 1, "one", "message", "Status"], payload: ["payload", 2, "one", "scalar", "bytes"] },
  RunPodSandboxRequest: { pod: ["pod", 1, "one", "message", "PodSandbox"] },
  SecurityProfile: { profileType: ["profile_type", 1, "one", "enum", "ProfileType"], localhostRef: ["localhost_ref", 2, "one", "scalar", "string"] },
  StateChangeEvent: { event: ["event", 1, "one", "enum", "Event"], pod: ["pod", 2, "one", "message", "PodSandbox"], container: ["container", 3, "one", "message", "Container"] },
  Status: { code: ["code", 1, "one", "scalar", "int32"], message: ["message", 2, "one", "scalar", "string"] },
  StopContainerResponse: { update: ["update", 1, "list", "message", "ContainerUpdate"] },
  SynchronizeRequest: { pods: ["pods", 1, "list", "message", "PodSandbox"], containers: ["containers", 2, "list", "message", "Container"], more: ["more", 3, "one", "scalar", "bool"] },
  SynchronizeResponse: { update: ["update", 1, "list", "message", "ContainerUpdate"], more: ["more", 2, "one", "scalar", "bool"] },
  UpdateContainerRequest: { pod: ["pod", 1, "one", "message", "PodSandbox"], container: ["container", 2, "one", "message", "Container"], linuxResources: ["linux_resources", 3, "one", "message", "LinuxResources"] },
  UpdateContainerResponse: { update: ["update", 1, "list", "message", "ContainerUpdate"], evict: ["evict", 2, "list", "message", "ContainerEviction"] },
  UpdatePodSandboxRequest: { pod: ["pod", 1, "one", "message", "PodSandbox"], overheadLinuxResources: ["overhead_linux_resources", 2, "one", "message", "LinuxResources"], linuxResources: ["linux_resources", 3, "one", "message", "LinuxResources"] },
  User: { uid: ["uid", 1, "one", "scalar", "uint32"], gid: ["gid", 2, "one", "scalar", "uint32"], additionalGids: ["additional_gids", 3, "list", "scalar", "uint32"] },
} as const;

// The names of each enum's values, by their numbers.
export const enums = { ContainerState: ContainerStateNames, Event: EventNames, IOPrioClass: IOPrioClassNames, LinuxSchedulerFlag: LinuxSchedulerFlagNames, LinuxSchedulerPolicy: LinuxSchedulerPolicyNames, MpolFlag: MpolFlagNames, MpolMode: MpolModeNames, ProfileType: ProfileTypeNames } as const;
