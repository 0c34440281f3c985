import { fieldsOf, type Message, messageNames, type Shape } from "../nri/json.js";
import * as check from "./checks.js";
import { type IntegerRange, int64, matches, uint64 } from "./checks.js";
import { cdiInjection, type Gate, hugepageUpdate, type Release, unifiedUpdate } from "./gates.js";
import { bad, type Fault } from "./parsed.js";
import * as form from "./text-forms.js";

// What the schema does not say of NRI's fields: where a runtime applies them, and what their values have to be. Read in NRI's
// collection of answers (pkg/adaptation/result.go) and OCI generator (pkg/runtime-tools/generate/generate.go), every tag from
// v0.2.0 to v0.12.2, and in the runtimes' way back from NRI to CRI for updates (NRI pkg/api/resources.go ToCRI up to v0.9.0, then
// containerd internal/cri/nri/nri_api_linux.go and CRI-O server/nri-api.go, toCRIResources: shares, period, quota, cpus, mems,
// the memory limit, huge pages and unified, nothing else).

/** What is known of a field beside the schema. */
export interface Rule {
  /** Of a field that is set by itself: its name, which is the metadata key too where there is one. */
  readonly key?: string;
  /** Where it takes effect. */
  readonly gate?: Gate;
  /** What a metadata key's text says. Absent: there is no such key. */
  readonly metadata?: form.TextForm;
  /** What comes after a metadata key and a dot, as the table of keys writes it. */
  readonly placeholder?: string;
  /** Each element of the list is set by itself, under the name in this field of it. */
  readonly by?: string;
  /** What several plugins ask for adds up. */
  readonly adds?: true;
  /** Whether, and since when, a `-` before a name removes. Absent: it does not. */
  readonly removal?: { readonly since?: Release; readonly lost?: string; readonly remedy?: string };
  /** Why NRI 0.2 to 0.12 takes the field and does nothing with it, and what to do. */
  readonly lost?: readonly [why: string, remedy: string];
  /** Of integers. Absent: all that the schema's type holds. */
  readonly range?: IntegerRange;
  /** Of texts, each of a list. */
  readonly check?: check.Check;
  /** Of the first text of a list. */
  readonly first?: check.Check;
  /** Of the names in a map. */
  readonly names?: check.Check;
}

/** A field that is set by itself, under a key. */
function set(key: string, gate: Gate, metadata?: form.TextForm, rest: Rule = {}): Rule {
  return { key, gate, ...(metadata === undefined ? {} : { metadata }), ...rest };
}

const create: Gate = { phases: ["create"] };
const since = (release: Release): Gate => ({ ...create, since: release });
/** compat: NRI 0.2.0's generator wrote the zeros of all cpu fields that were not asked for. */
const cpu: Gate = { phases: ["create", "start", "update"], since: "0.3" };
const realtime: Gate = { phases: ["create", "start"], since: "0.3", cgroup: 1 };
const everywhere: Gate = { phases: cpu.phases };
const dropped = "where NRI's OCI generator drops it in silence (0.2 to 0.12)";
const written: Gate = { phases: ["start"], notInCreate: dropped };
const writtenV1: Gate = { ...written, cgroup: 1 };

const bytes: IntegerRange = { min: 0n, max: int64.max, unit: ", bytes", unlimited: true };
const someBytes: IntegerRange = { ...bytes, min: 1n };
const microseconds = { unit: ", microseconds" };
const device = check.absolutePath("the path of the device in the container");
const className = matches(/^[^\0\n/]{0,255}$/, "the name of a class: at most 255 characters, no slash");
const namespaces = ["network", "pid", "mount", "ipc", "uts", "user", "cgroup", "time"];

const rules: Readonly<Record<string, Rule>> = {
  "ContainerAdjustment.annotations": set("annotation", create, form.string, {
    ...{ placeholder: "<key>", removal: {}, names: matches(/./s, "the key of an annotation", "fix the key") },
  }),
  "ContainerAdjustment.env": set("env", create, (key, value) => form.object({ key, value }), {
    ...{ placeholder: "<NAME>", by: "key" },
    // A removal undoes what another NRI plugin has set, and is not handed on to the runtime (result.go adjustEnv).
    removal: {
      lost: "NRI does not hand the removal of a container's own variable on (0.2 to 0.12)",
      remedy: "set the variable to an empty text",
    },
  }),
  "KeyValue.key": { check: matches(/^[^=\0]+$/, "the name of a variable, without =", "fix the key") },
  // The same as of variables before v0.7.0, which began to hand removals on.
  "ContainerAdjustment.mounts": set("mount", create, form.mountText, {
    ...{ placeholder: "<destination>", by: "destination", removal: { since: "0.7" } },
  }),
  "Mount.destination": { check: check.absolutePath("the mount's destination") },
  "Mount.source": { check: check.pathText },
  "Mount.type": { check: check.fits(255) },
  "Mount.options": { check: matches(/^[^\0]{1,4095}$/, "an option of at most 4095 bytes, not empty") },
  "Hooks.prestart": set("hook.prestart", create, form.hookText, { adds: true }),
  "Hooks.createRuntime": set("hook.createRuntime", create, form.hookText, { adds: true }),
  "Hooks.createContainer": set("hook.createContainer", create, form.hookText, { adds: true }),
  "Hooks.startContainer": set("hook.startContainer", create, form.hookText, { adds: true }),
  "Hooks.poststart": set("hook.poststart", create, form.hookText, { adds: true }),
  "Hooks.poststop": set("hook.poststop", create, form.hookText, { adds: true }),
  "Hook.path": { check: check.absolutePath("the path of a hook") },
  "Hook.args": { check: check.argument },
  "Hook.env": { check: matches(/^[^=\0]+=[^\0]*$/, "a list of NAME=value") },
  // The OCI specification: a timeout is above zero.
  "Hook.timeout": { range: { min: 1n, max: int64.max, unit: ", seconds" } },
  "ContainerAdjustment.rlimits": set("rlimit", since("0.4"), form.rlimitText, { placeholder: "<TYPE>", by: "type" }),
  "POSIXRlimit.type": { check: check.oneOf(check.rlimitTypes, "a limit as OCI names it, such as RLIMIT_NOFILE") },
  "ContainerAdjustment.args": set("args", since("0.10"), form.argsText, {
    check: check.argument,
    // An empty first one is NRI's own sign (adaptation/result.go adjustArgs), not a program.
    first: matches(/./s, "a list of texts with the program first, which is not empty"),
  }),
  "ContainerAdjustment.CDIDevices": set("cdi", { ...since("0.7"), runtime: cdiInjection }, form.nameOnly, {
    ...{ placeholder: "<name>", by: "name" },
  }),
  "CDIDevice.name": {
    check: matches(/^[a-z][^\s/=]*\/[^\s/=]+=\S+$/i, "a CDI device's full name: vendor.com/class=name", "fix the key"),
  },
  "LinuxContainerAdjustment.devices": set("device", create, form.deviceText, {
    ...{ placeholder: "<path>", by: "path" },
    // As of variables: result.go adjustDevices.
    removal: {
      lost: "NRI does not hand the removal of a container's own device on (0.2 to 0.12)",
      remedy: "take the device out of the pod",
    },
  }),
  "LinuxDevice.path": { check: device },
  "LinuxDevice.type": { check: matches(/^[bcpu]$/, form.deviceForm) },
  // include/linux/kdev_t.h: 12 bits of major, 20 of minor.
  "LinuxDevice.major": { range: { min: 0n, max: 0xfffn } },
  "LinuxDevice.minor": { range: { min: 0n, max: 0xfffffn } },
  "LinuxDevice.fileMode": { range: { min: 0n, max: 0o7777n, unit: ", which is 07777 in octal" } },
  // The last id is (uid_t)-1: "leave it as it is" to chown.
  "LinuxDevice.uid": { range: { min: 0n, max: 0xffff_fffen } },
  "LinuxDevice.gid": { range: { min: 0n, max: 0xffff_fffen } },
  "LinuxContainerAdjustment.cgroupsPath": set("cgroupsPath", create, form.string, {
    check: matches(/^[^\0\n]{1,4095}$/, "a path, or slice:prefix:name under systemd's cgroup driver"),
  }),
  // proc(5), /proc/pid/oom_score_adj
  "LinuxContainerAdjustment.oomScoreAdj": set("oomScoreAdj", since("0.7"), form.number, {
    range: { min: -1000n, max: 1000n },
  }),
  "LinuxContainerAdjustment.sysctl": set("sysctl", since("0.11"), form.string, {
    ...{ placeholder: "<name>", check: check.sysctlValue },
    names: matches(/^\w[\w./-]*$/, "the name of a sysctl, such as net.core.somaxconn", "fix the key"),
    // result.go adjustSysctl, v0.11.0 to v0.12.2: the removal ends among the annotations.
    removal: {
      lost: "NRI loses the removal of a sysctl (0.11 to 0.12)",
      remedy: "set the sysctl to the value that it shall have",
    },
  }),
  "LinuxContainerAdjustment.ioPriority": set("ioPriority", since("0.10")),
  // ioprio_set(2)
  "LinuxIOPriority.priority": { range: { min: 0n, max: 7n } },
  "LinuxContainerAdjustment.scheduler": set("scheduler", since("0.11")),
  // sched(7)
  "LinuxScheduler.nice": { range: { min: -20n, max: 19n } },
  "LinuxScheduler.priority": { range: { min: 0n, max: 99n } },
  "LinuxContainerAdjustment.seccompPolicy": set("seccompPolicy", since("0.10")),
  "LinuxSeccomp.defaultErrno": {
    // generate.go AdjustSeccompPolicy, v0.10.0 to v0.12.2: it copies all the other fields.
    lost: ["NRI's OCI generator drops it in silence (0.10 to 0.12)", "name the system calls, each with its errnoRet"],
  },
  "LinuxContainerAdjustment.namespaces": set("namespace", since("0.10"), undefined, { by: "type", removal: {} }),
  "LinuxNamespace.type": { check: check.oneOf(namespaces, `one of ${namespaces.join(", ")}`) },
  "LinuxNamespace.path": { check: check.absolutePath("the path of a namespace") },
  "LinuxContainerAdjustment.netDevices": set("netDevice", since("0.11"), undefined, { removal: {} }),
  "LinuxRdt.closId": set("rdt.closId", since("0.11")),
  "LinuxRdt.schemata": set("rdt.schemata", since("0.11")),
  "LinuxRdt.enableMonitoring": set("rdt.enableMonitoring", since("0.11")),
  "LinuxRdt.remove": set("rdt.remove", since("0.11")),
  "LinuxContainerAdjustment.memoryPolicy": set("memoryPolicy", since("0.12")),
  "LinuxMemoryPolicy.nodes": { check: check.nodes },

  // opencontainers/cgroups fs/cpu.go fails the container outside the kernel's range.
  "LinuxCPU.shares": set("cpu.shares", cpu, form.number, { range: { min: 2n, max: 262_144n } }),
  // kernel/sched/core.c: a quota and a period are 1 ms at least, a period 1 s at most.
  "LinuxCPU.quota": set("cpu.quota", cpu, form.number, {
    range: { min: 1000n, max: int64.max, ...microseconds, unlimited: true },
  }),
  "LinuxCPU.period": set("cpu.period", cpu, form.number, { range: { min: 1000n, max: 1_000_000n, ...microseconds } }),
  "LinuxCPU.cpus": set("cpu.cpus", cpu, form.string, { check: check.cpus }),
  "LinuxCPU.mems": set("cpu.mems", cpu, form.string, { check: check.nodes }),
  // 0 is "not set" to runc.
  "LinuxCPU.realtimeRuntime": set("cpu.realtimeRuntime", realtime, form.number, {
    range: { min: 1n, max: int64.max, ...microseconds, unlimited: true },
  }),
  "LinuxCPU.realtimePeriod": set("cpu.realtimePeriod", realtime, form.number, {
    range: { min: 1n, max: uint64.max, ...microseconds },
  }),
  // 0 is "not set" to NRI's generator and to both runtimes.
  "LinuxMemory.limit": set("memory.limit", everywhere, form.number, { range: someBytes }),
  "LinuxMemory.reservation": set("memory.reservation", written, form.number, { range: bytes }),
  "LinuxMemory.swap": set("memory.swap", written, form.number, { range: bytes }),
  "LinuxMemory.kernel": set("memory.kernel", writtenV1, form.number, { range: bytes }),
  "LinuxMemory.kernelTcp": set("memory.kernelTCP", writtenV1, form.number, { range: bytes }),
  // opencontainers/cgroups fs/memory.go
  "LinuxMemory.swappiness": set("memory.swappiness", writtenV1, form.number, { range: { min: 0n, max: 100n } }),
  "LinuxMemory.disableOomKiller": set("memory.disableOOMKiller", writtenV1, form.bool),
  "LinuxMemory.useHierarchy": set("memory.useHierarchy", writtenV1, form.bool),
  // compat: NRI's result collection keeps no pids limit of an update (pkg/adaptation/result.go updateResources, v0.7.0 to
  // v0.12.2: it looks at its own copy, not at what the plugin sent). kernel/cgroup/pids.c: PIDS_MAX is one more than PID_MAX_LIMIT.
  "LinuxPids.limit": set("pids.limit", { phases: ["create", "start"], since: "0.7" }, form.number, {
    range: { min: 1n, max: 4_194_304n, unlimited: true },
  }),
  // An empty class takes the container out of its class (generate.go AdjustBlockIOClass, AdjustRdtClass).
  "LinuxResources.blockioClass": set("blockioClass", create, form.string, { check: className }),
  "LinuxResources.rdtClass": set("rdtClass", create, form.string, { check: className }),
  "LinuxResources.hugepageLimits": set("hugepage", { ...everywhere, runtime: hugepageUpdate }, form.hugepageText, {
    ...{ placeholder: "<pageSize>", by: "pageSize" },
  }),
  "HugepageLimit.pageSize": { check: check.pageSize },
  "HugepageLimit.limit": { range: { ...uint64, unit: ", bytes" } },
  // opencontainers/cgroups fs2/fs2.go setUnified: a file name of the form controller.parameter.
  "LinuxResources.unified": set("unified", { ...everywhere, cgroup: 2, runtime: unifiedUpdate }, form.string, {
    ...{ placeholder: "<file>", check: check.unifiedText },
    names: matches(/^[a-z]\w*(\.[\w-]+)+$/i, "the name of a cgroup v2 file, such as memory.high", "fix the key"),
  }),
  "LinuxResources.devices": set("deviceRules", since("0.10"), undefined, { adds: true }),

  "CreateContainerResponse.evict": set("evict", { phases: ["create", "update"] }, undefined, {
    by: "containerId",
    // result.go apply: it collects adjustments and updates alone.
    lost: ["NRI collects no evictions from the answers of plugins (0.2 to 0.12)", "delete the pod by Kubernetes' API"],
  }),
  "ContainerEviction.containerId": { check: matches(/^[\w-]+$/, "the id of a container") },
};

const required: Readonly<Record<string, readonly string[]>> = {
  Mount: ["source", "type"],
  Hook: ["path"],
  LinuxDevice: ["type"],
  LinuxSeccomp: ["defaultAction"],
};

/** The fields that a message is not complete without. */
export function requiredOf(message: string): readonly string[] {
  return required[message] ?? [];
}

/** What the fields of one message have to be together. */
const together: Readonly<Record<string, (value: Message) => Fault | undefined>> = {
  KeyValue: ({ key = "", value = "" }) => {
    if (!String(value).includes("\0") && check.argument(`${key}=${value}`) === undefined) return undefined;
    return bad(`a text without NUL that is, with its name, at most ${check.maxArgumentBytes} bytes long`);
  },
  // runc takes the option for the mount, the type for a file system's name: it would fail with "no such device".
  Mount: ({ type, options = [] }) => {
    const isBound = Array.isArray(options) && (options.includes("bind") || options.includes("rbind"));
    return type !== "bind" || isBound ? undefined : bad("the option bind or rbind, which a mount of type bind needs");
  },
  POSIXRlimit: ({ soft = 0n, hard = 0n }) =>
    soft > hard ? bad("a soft limit that is not above the hard one") : undefined,
};

export function checkTogether(what: string, value: Message): Fault | undefined {
  return together[what]?.(value);
}

/** A field of a message: what the schema says of it, and what is known beside. */
export interface Field {
  readonly message: string;
  readonly name: string;
  readonly shape: Shape[2];
  readonly kind: Shape[3];
  readonly type: string;
  readonly rule: Rule;
}

/** The fields of each message, by JSON's names and by the schema's own. */
const tables: ReadonlyMap<string, ReadonlyMap<string, Field>> = new Map(
  messageNames.map((message) => [
    message,
    new Map(
      Object.entries(fieldsOf(message)).flatMap(([name, [proto, , shape, kind, type]]) => {
        const field = { message, name, shape, kind, type, rule: rules[`${message}.${name}`] ?? {} };
        return [
          [name, field],
          [proto, field],
        ] as const;
      }),
    ),
  ]),
);

/** A message's field by a name that a plugin wrote. */
export function findField(message: string, name: string): Field | undefined {
  return tables.get(message)?.get(name);
}

/** The fields that are set by themselves. */
export const settable: readonly Field[] = Object.entries(rules).flatMap(([path, { gate }]) => {
  const [message = "", name = ""] = path.split(".");
  const field = gate && findField(message, name);
  return field === undefined ? [] : [field];
});

/** The fields with a metadata key, by that key. */
export const byKey: ReadonlyMap<string, Field> = new Map(
  settable.flatMap((field) => (field.rule.metadata === undefined ? [] : [[field.rule.key ?? "", field]])),
);

/** Those that an update can hold. */
export const updatable = [...byKey.values()].filter(({ rule }) => rule.gate?.phases.includes("update"));

/** The fields that lead from a message to each one whose fields are set by themselves. */
function pathsFrom(message: string, path: readonly string[] = []): [message: string, path: readonly string[]][] {
  const inner = Object.entries(fieldsOf(message)).flatMap(([name, [, , shape, kind, type]]) => {
    const isGroup = shape === "one" && kind === "message" && rules[`${message}.${name}`] === undefined;
    return isGroup ? pathsFrom(type, [...path, name]) : [];
  });
  return [[message, path], ...inner];
}

const ownPaths = new Map(pathsFrom("CreateContainerResponse"));
const othersPaths = new Map(pathsFrom("ContainerUpdate"));

/** @param isOthers from a ContainerUpdate, else from a CreateContainerResponse */
export function pathTo(message: string, isOthers: boolean): readonly string[] {
  return (isOthers ? othersPaths : ownPaths).get(message) ?? [];
}
