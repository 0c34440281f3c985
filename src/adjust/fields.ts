import { fieldsOf, type Message, messageNames, type Shape } from "../nri/json.js";
import * as check from "./checks.js";
import { type IntegerRange, int64, matches, uint64 } from "./checks.js";
import { cdiInjection, criOUpdate, type Gate, type Release } from "./gates.js";
import { bad, type Fault } from "./parsed.js";
import * as form from "./text-forms.js";

// Where a runtime applies each field of NRI's messages, and which values the field takes. The sources are NRI v0.2.0 to v0.12.2
// (pkg/adaptation/result.go, pkg/runtime-tools/generate/generate.go) and the functions by which runtimes turn NRI's updates into
// CRI's: NRI pkg/api/resources.go ToCRI up to v0.9.0, containerd internal/cri/nri/nri_api_linux.go, CRI-O server/nri-api.go. These
// functions take shares, period, quota, cpus, mems, the memory limit, huge pages and unified, nothing else.

/** Why NRI 0.2 to 0.12 accepts a value and does nothing with it, and what the plugin's author can do instead. */
type Loss = readonly [why: string, remedy: string];

export interface Rule {
  /**
   * The name of a settable field, which is a field that plugins set, and the bridge merges, on its own. Also the field's metadata
   * key, after `adjust.`, if textForm knows a form for the field.
   */
  readonly key?: string;
  readonly gate?: Gate;
  /** Converts the text of the metadata key. Absent: the text of a scalar is its value, and other fields have no metadata key. */
  readonly text?: form.TextForm;
  /** For a list whose elements are settable one by one: the field of an element that holds the element's name. */
  readonly by?: string;
  /** The values of all plugins of a chain go into the answer, one after the other. */
  readonly adds?: true;
  /**
   * Whether a `-` before a name removes the entry, since which NRI version, and why NRI loses the removal. Absent: a `-` has no
   * such meaning.
   */
  readonly removal?: { readonly since?: Release; readonly lost?: Loss };
  readonly lost?: Loss;
  /**
   * The valid values: `range` of an integer (absent: the range of the schema's type), `check` of a text or of each text in a list,
   * `names` of the names in a map.
   */
  readonly range?: IntegerRange;
  readonly check?: check.Check;
  readonly names?: check.Check;
}

/** The rule of a settable field. */
const set = (key: string, gate: Gate, rest: Rule = {}): Rule => ({ key, gate, ...rest });

const create: Gate = { phases: ["create"] };
const since = (release: Release): Gate => ({ ...create, since: release });
/** compat: NRI 0.2.0's generator writes a zero into every cpu field that the plugin does not ask for. */
const cpu: Gate = { phases: ["create", "start", "update"], since: "0.3" };
const realtime: Gate = { phases: ["create", "start"], since: "0.3", cgroup: 1 };
const everywhere: Gate = { phases: cpu.phases };
const hugepage: Gate = { ...everywhere, runtime: criOUpdate() };
const unified: Gate = { ...everywhere, cgroup: 2, runtime: criOUpdate("1.36.0") };
const pids: Gate = { phases: ["create", "start"], since: "0.7" };
const injected: Gate = { ...since("0.7"), runtime: cdiInjection };
const answered: Gate = { phases: ["create", "update"] };
const notHandedOn = "NRI does not hand the removal of a container's own";
const written: Gate = { phases: ["start"] };
const writtenV1: Gate = { ...written, cgroup: 1 };

const bytes: IntegerRange = { min: 0n, max: int64.max, unit: ", bytes", unlimited: true };
const someBytes: IntegerRange = { ...bytes, min: 1n };
const quota: IntegerRange = { min: 1000n, max: int64.max, unit: ", microseconds", unlimited: true };
const period: IntegerRange = { min: 1n, max: 1_000_000n, unit: ", microseconds" };
const mount = { by: "destination", text: form.mountText };
const device = check.absolutePath("the path of the device in the container");
const className = matches(/^[^\0\n/]{0,255}$/, "the name of a class: at most 255 characters, no slash");
const namespaces = ["network", "pid", "mount", "ipc", "uts", "user", "cgroup", "time"];

const rules: Readonly<Record<string, Rule>> = {
  "ContainerAdjustment.annotations": set("annotation", create, { removal: {}, names: check.annotationKey }),
  "ContainerAdjustment.env": set("env", create, {
    ...{ by: "key", text: (key, value) => form.object({ key, value }) },
    // In NRI a removal undoes what another NRI plugin has set; NRI does not hand the removal on to the runtime (result.go
    // adjustEnv).
    removal: { lost: [`${notHandedOn} variable on (0.2 to 0.12)`, "set the variable to an empty text"] },
  }),
  "KeyValue.key": { check: matches(/^[^=\0]+$/, "the name of a variable, without =", "fix the key") },
  // Before v0.7.0 NRI does not hand the removal of a mount on to the runtime; v0.7.0 and later do.
  "ContainerAdjustment.mounts": set("mount", create, { ...mount, removal: { since: "0.7" } }),
  "Mount.destination": { check: check.absolutePath("the mount's destination") },
  "Mount.source": { check: check.pathText },
  "Mount.type": { check: check.fits(255) },
  "Mount.options": { check: matches(/^[^\0]{1,4095}$/, "an option of at most 4095 bytes, not empty") },
  ...Object.fromEntries(
    Object.keys(fieldsOf("Hooks")).map((stage) => [
      `Hooks.${stage}`,
      set(`hook.${stage}`, create, { adds: true, text: form.hookText }),
    ]),
  ),
  "Hook.path": { check: check.absolutePath("the path of a hook") },
  "Hook.args": { check: check.argument },
  "Hook.env": { check: matches(/^[^=\0]+=[^\0]*$/, "a list of NAME=value") },
  // The OCI specification requires a timeout above zero.
  "Hook.timeout": { range: { min: 1n, max: int64.max, unit: ", seconds" } },
  "ContainerAdjustment.rlimits": set("rlimit", since("0.4"), { by: "type", text: form.rlimitText }),
  "POSIXRlimit.type": { check: check.oneOf(check.rlimitTypes, "a limit as OCI names it, such as RLIMIT_NOFILE") },
  "ContainerAdjustment.args": set("args", since("0.10"), {
    text: form.json("a JSON list of texts"),
    check: check.argument,
  }),
  "ContainerAdjustment.CDIDevices": set("cdi", injected, { by: "name", text: form.nameOnly }),
  "CDIDevice.name": {
    check: matches(/^[a-z][^\s/=]*\/[^\s/=]+=\S+$/i, "a CDI device's full name: vendor.com/class=name", "fix the key"),
  },
  "LinuxContainerAdjustment.devices": set("device", create, {
    ...{ by: "path", text: form.deviceText },
    // NRI does not hand the removal of a device on to the runtime, as with variables (result.go adjustDevices).
    removal: { lost: [`${notHandedOn} device on (0.2 to 0.12)`, "take the device out of the pod"] },
  }),
  "LinuxDevice.path": { check: device },
  "LinuxDevice.type": { check: matches(/^[bcpu]$/, form.deviceForm) },
  // In include/linux/kdev_t.h a device number has 12 bits of major and 20 of minor.
  "LinuxDevice.major": { range: { min: 0n, max: 0xfffn } },
  "LinuxDevice.minor": { range: { min: 0n, max: 0xfffffn } },
  "LinuxDevice.fileMode": { range: { min: 0n, max: 0o7777n, unit: ", which is 07777 in octal" } },
  "LinuxContainerAdjustment.cgroupsPath": set("cgroupsPath", create, {
    check: matches(/^[^\0\n]{1,4095}$/, "a path, or slice:prefix:name under systemd's cgroup driver"),
  }),
  // The range is in proc(5), /proc/pid/oom_score_adj.
  "LinuxContainerAdjustment.oomScoreAdj": set("oomScoreAdj", since("0.7"), { range: { min: -1000n, max: 1000n } }),
  "LinuxContainerAdjustment.sysctl": set("sysctl", since("0.11"), {
    check: check.sysctlValue,
    names: matches(/^\w[\w./-]*$/, "the name of a sysctl, such as net.core.somaxconn", "fix the key"),
    // NRI v0.11.0 to v0.12.2 puts the removal of a sysctl among the annotations (result.go adjustSysctl).
    removal: { lost: ["NRI loses the removal of a sysctl (0.11 to 0.12)", "set it to the value that it shall have"] },
  }),
  "LinuxContainerAdjustment.ioPriority": set("ioPriority", since("0.10")),
  "LinuxContainerAdjustment.scheduler": set("scheduler", since("0.11")),
  // The ranges are in ioprio_set(2) and sched(7).
  "LinuxIOPriority.priority": { range: { min: 0n, max: 7n } },
  "LinuxScheduler.nice": { range: { min: -20n, max: 19n } },
  "LinuxScheduler.priority": { range: { min: 0n, max: 99n } },
  "LinuxContainerAdjustment.seccompPolicy": set("seccompPolicy", since("0.10")),
  "LinuxSeccomp.defaultErrno": {
    // AdjustSeccompPolicy of NRI v0.10.0 to v0.12.2 (generate.go) copies all fields of the policy except defaultErrno.
    lost: ["NRI's OCI generator drops it in silence (0.10 to 0.12)", "name the system calls, each with its errnoRet"],
  },
  "LinuxContainerAdjustment.namespaces": set("namespace", since("0.10"), { by: "type", removal: {} }),
  "LinuxNamespace.type": { check: check.oneOf(namespaces, `one of ${namespaces.join(", ")}`) },
  "LinuxNamespace.path": { check: check.absolutePath("the path of a namespace") },
  "LinuxContainerAdjustment.netDevices": set("netDevice", since("0.11"), { removal: {} }),
  "LinuxRdt.closId": set("rdt.closId", since("0.11")),
  "LinuxRdt.schemata": set("rdt.schemata", since("0.11")),
  "LinuxRdt.enableMonitoring": set("rdt.enableMonitoring", since("0.11")),
  "LinuxRdt.remove": set("rdt.remove", since("0.11")),
  "LinuxContainerAdjustment.memoryPolicy": set("memoryPolicy", since("0.12")),
  "LinuxMemoryPolicy.nodes": { check: check.nodes },

  // For shares outside the kernel's range opencontainers/cgroups fs/cpu.go fails the container.
  "LinuxCPU.shares": set("cpu.shares", cpu, { range: { min: 2n, max: 262_144n } }),
  // kernel/sched/core.c: a quota and a period are 1 ms at least, a period 1 s at most.
  "LinuxCPU.quota": set("cpu.quota", cpu, { range: quota }),
  "LinuxCPU.period": set("cpu.period", cpu, { range: { ...period, min: 1000n } }),
  "LinuxCPU.cpus": set("cpu.cpus", cpu, { check: check.cpus }),
  "LinuxCPU.mems": set("cpu.mems", cpu, { check: check.nodes }),
  // runc takes 0 for "not set".
  "LinuxCPU.realtimeRuntime": set("cpu.realtimeRuntime", realtime, { range: { ...quota, min: 1n } }),
  "LinuxCPU.realtimePeriod": set("cpu.realtimePeriod", realtime, { range: { ...period, max: uint64.max } }),
  // NRI's generator and both runtimes take 0 for "not set".
  "LinuxMemory.limit": set("memory.limit", everywhere, { range: someBytes }),
  "LinuxMemory.reservation": set("memory.reservation", written, { range: bytes }),
  "LinuxMemory.swap": set("memory.swap", written, { range: bytes }),
  "LinuxMemory.kernel": set("memory.kernel", writtenV1, { range: bytes }),
  "LinuxMemory.kernelTcp": set("memory.kernelTCP", writtenV1, { range: bytes }),
  // The range is in opencontainers/cgroups fs/memory.go.
  "LinuxMemory.swappiness": set("memory.swappiness", writtenV1, { range: { min: 0n, max: 100n } }),
  "LinuxMemory.disableOomKiller": set("memory.disableOOMKiller", writtenV1),
  "LinuxMemory.useHierarchy": set("memory.useHierarchy", writtenV1),
  // compat: NRI drops the pids limit of an update when it collects the plugins' results (pkg/adaptation/result.go
  // updateResources, v0.7.0 to v0.12.2, looks at its own copy, not at what the plugin sent). In kernel/cgroup/pids.c PIDS_MAX is
  // one more than PID_MAX_LIMIT.
  "LinuxPids.limit": set("pids.limit", pids, { range: { min: 1n, max: 4_194_304n, unlimited: true } }),
  // An empty class takes the container out of its class (generate.go AdjustBlockIOClass, AdjustRdtClass).
  "LinuxResources.blockioClass": set("blockioClass", create, { check: className }),
  "LinuxResources.rdtClass": set("rdtClass", create, { check: className }),
  "LinuxResources.hugepageLimits": set("hugepage", hugepage, {
    by: "pageSize",
    text: (pageSize, limit) => form.object({ pageSize, limit }),
  }),
  "HugepageLimit.pageSize": { check: check.pageSize },
  "HugepageLimit.limit": { range: { ...uint64, unit: ", bytes" } },
  // opencontainers/cgroups fs2/fs2.go setUnified takes file names of the form controller.parameter.
  "LinuxResources.unified": set("unified", unified, {
    check: check.unifiedText,
    names: matches(/^[a-z]\w*(\.[\w-]+)+$/i, "the name of a cgroup v2 file, such as memory.high", "fix the key"),
  }),
  "LinuxResources.devices": set("deviceRules", since("0.10"), {
    adds: true,
    text: form.json("a JSON list of OCI rules"),
  }),

  // NRI's result.go apply collects only the adjustments and updates of a plugin's answer.
  "CreateContainerResponse.evict": set("evict", answered, {
    by: "containerId",
    lost: ["NRI collects no evictions from the answers of plugins (0.2 to 0.12)", "delete the pod by Kubernetes' API"],
  }),
  "ContainerEviction.containerId": { check: matches(/^[\w-]+$/, "the id of a container") },
};

/** Checks of a message that concern several of its fields, keyed by the message's name. */
export const together: Readonly<Record<string, (value: Message) => Fault | undefined>> = {
  KeyValue: ({ key = "", value = "" }) => {
    if (!String(value).includes("\0") && check.argument(`${key}=${value}`) === undefined) return undefined;
    return bad(`a text without NUL that is, with its name, at most ${check.maxArgumentBytes} bytes long`);
  },
  // runc makes a bind mount because of the option bind, and takes the type for a file system's name. A mount of type bind without
  // the option fails with "no such device".
  Mount: ({ type, source, options = [] }) => {
    if (!type || !source) return bad("a mount with a source and a type");
    const isBound = Array.isArray(options) && (options.includes("bind") || options.includes("rbind"));
    return type !== "bind" || isBound ? undefined : bad("the option bind or rbind, which a mount of type bind needs");
  },
  Hook: ({ path }) => (path ? undefined : bad("a hook with a path")),
  POSIXRlimit: ({ soft = 0n, hard = 0n }) =>
    soft > hard ? bad("a soft limit that is not above the hard one") : undefined,
};

export interface Field {
  readonly message: string;
  readonly name: string;
  readonly shape: Shape[2];
  readonly kind: Shape[3];
  readonly type: string;
  readonly rule: Rule;
}

/** The fields of a message, keyed by their names in protobuf's JSON mapping and by those in the .proto schema. */
function tableOf(message: string): ReadonlyMap<string, Field> {
  const table = new Map<string, Field>();
  for (const [name, [proto, , shape, kind, type]] of Object.entries(fieldsOf(message))) {
    const field = { message, name, shape, kind, type, rule: rules[`${message}.${name}`] ?? {} };
    table.set(name, field).set(proto, field);
  }
  return table;
}

const tables = new Map(messageNames.map((message) => [message, tableOf(message)]));

/** Finds a message's field by the name that a plugin wrote; undefined if the message has no such field. */
export function findField(message: string, name: string): Field | undefined {
  return tables.get(message)?.get(name);
}

export const settable = messageNames.flatMap((message) =>
  [...new Set(tableOf(message).values())].filter(({ rule }) => rule.gate !== undefined),
);

/**
 * Whether the entries or elements of a field are settable one by one, so that the metadata key is the field's key, a dot and a
 * name.
 */
export function isFamily({ shape, rule }: Field): boolean {
  return shape === "map" || rule.by !== undefined;
}

/** The function that converts the text of a field's metadata key; undefined if the field has no metadata key. */
export function textForm({ shape, kind, type, rule }: Field): form.TextForm | undefined {
  const isPlain = kind === "scalar" || (kind === "wrapper" && shape === "one");
  const plain = type === "string" ? form.string : type === "bool" ? form.bool : form.number;
  return rule.text ?? (isPlain && shape !== "list" ? plain : undefined);
}

/** The fields that have a metadata key, keyed by the metadata key without `adjust.`. */
export const byKey: ReadonlyMap<string, Field> = new Map(
  settable.flatMap((field) => (textForm(field) === undefined ? [] : [[field.rule.key ?? "", field]])),
);

/** The fields with a metadata key that an update of a container can hold. */
export const updatable = [...byKey.values()].filter(({ rule }) => rule.gate?.phases.includes("update"));

/** For each message with settable fields: the names of the fields that lead to it from CreateContainerResponse. */
const paths = new Map<string, readonly string[]>([["CreateContainerResponse", []]]);
for (const [message, path] of paths) {
  for (const [name, [, , shape, kind, type]] of Object.entries(fieldsOf(message))) {
    const isGroup = shape === "one" && kind === "message" && rules[`${message}.${name}`] === undefined;
    if (isGroup) paths.set(type, [...path, name]);
  }
}

/** The names of the fields that lead to a message: from the answer, or with `isOthers` from the update of a container. */
export function pathTo(message: string, isOthers: boolean): readonly string[] {
  return (paths.get(message) ?? []).slice(isOthers ? 1 : 0);
}
