import type { Phase } from "../adjust/types.js";
import type { LinuxResources } from "../v01/resources.js";
import type { ControllerName } from "./controllers.js";
import {
  accept,
  formatList,
  type Indexes,
  type Machine,
  type Parsed,
  parseList,
  parseSigned,
  parseSize,
  parseUnsigned,
  refuse,
} from "./machine.js";
import { findWeightForm, toShares, toWeight } from "./weight.js";

/** The text of a file of a container's real cgroup; undefined where it is not there. */
export type ReadText = (file: string) => string | undefined;

/** A write to a file of cgroup v2, or why there is none; undefined where v2 does it anyway. */
export type Converted = { readonly file: string; readonly value: string } | string | undefined;

/** The files of cgroup v2 that hold a field, read and written as runc does it. */
interface OnV2 {
  get(read: ReadText, spec: LinuxResources): string | undefined;
  set(value: string, read: ReadText, changes: LinuxResources, specShares: bigint | undefined): Converted;
}

/** What a write does, and where it can take effect: in phase start in the container's cgroup, else by what NRI hands on. */
export interface Carried {
  readonly kind:
    | "field"
    /** Sets what no field of LinuxResources holds. */
    | "setting"
    /** Sets a counter to 0, or drops pages: a new cgroup has none. */
    | "reset"
    /** Names a process or a descriptor of one. */
    | "process"
    /** The kernel refuses it. */
    | "read";
  readonly phases: readonly Phase[];
  /** The one cgroup version that has it. */
  readonly only?: 1 | 2;
}

/** A file of a cgroup v1. Values between text and field have one spelling: see Parsed. */
export interface V1File extends Carried {
  readonly controller: ControllerName;
  readonly file: string;
  /** The field, as a plugin's author would look for it. */
  readonly field: string;
  /** The value of a new cgroup. */
  readonly unset: string;
  /** What resources say of it; undefined when they do not. A 0 counts: see withoutUnset. */
  current(resources: LinuxResources): string | undefined;
  assign(resources: LinuxResources, value: string): void;
  /** Reads one write, white space around it removed, as the kernel does. */
  parse(text: string): Parsed;
  /** As the kernel prints it, with its newline. */
  print(value: string): string;
  readonly v2?: OnV2;
  /** A write sets one line of it: a device's, a rule. The value is all of them. */
  readonly byLine?: boolean;
}

/** Where a view's writes go. */
export interface Place {
  readonly phase: Phase;
  readonly version: 1 | 2 | "unknown";
}

/** What becomes of a write: a change of resources, a text for the file of the real cgroup, nothing, or why it is lost. */
export type Fate = "resources" | "file" | "none" | { readonly lost: string };

/** `isReal`: the container's real cgroup has this file of v1. */
export function fateOf({ kind, phases, only }: Carried, { phase, version }: Place, isReal: boolean): Fate {
  const lost = (why: string, remedy: string): Fate => ({ lost: `${why}: ${remedy}` });
  if (kind === "read") return lost("the kernel lets nobody write it", "leave it out");
  if (kind === "process") return lost("processes are the runtime's", "leave it out, or set `cgroup: host`");
  const isHere = version === "unknown" || only === undefined || only === version;
  if (isHere && phases.includes(phase)) return "resources";
  // A recording has no cgroups: there a write to the real one is as good as made.
  if (phase === "start" && (isReal || version === "unknown")) return "file";
  if (kind === "reset") return "none";
  if (phase === "delete") return lost("the container ends", "write it at the create");
  if (phase === "create" && (version === 1 || (isHere && phases.includes("start"))))
    return lost("NRI does not carry it", "set `phase: start`, where it is written to the container's cgroup");
  if (!isHere || kind === "setting") return lost("neither NRI nor this cgroup has such a setting", "leave it out");
  return lost(`it cannot be changed in phase ${phase}`, phase === "start" ? "set `phase: create`" : "leave it out");
}

const everywhere = { kind: "field", phases: ["create", "start", "update"] } as const satisfies Carried;
const realTime = { kind: "field", phases: ["create", "start"], only: 1 } as const satisfies Carried;
/** NRI's generator (0.2 to 0.12) drops them in silence. */
const startOnly = { kind: "field", phases: ["start"] } as const satisfies Carried;
const startOnV1 = { kind: "field", phases: ["start"], only: 1 } as const satisfies Carried;

// Formats, ranges and defaults: the kernel's Documentation/admin-guide/cgroup-v1, kernel/sched/core.c, mm/memcontrol-v1.c,
// mm/page_counter.c, kernel/cgroup/pids.c and a cgroup v1 of Linux 6.18.

export const line = (value: string): string => (value === "" ? "" : `${value}\n`);

function integer(read: (text: string) => bigint | undefined, least: bigint, most: bigint, expected: string) {
  return (text: string): Parsed => {
    const value = read(text);
    return value === undefined || value < least || value > most ? refuse(expected) : accept(value);
  };
}

/** The same, and all that is negative for -1, which is none. */
function orNone(parse: (text: string) => Parsed) {
  return (text: string): Parsed => ((parseSigned(text) ?? 0n) < 0n ? accept(-1n) : parse(text));
}

const most = 2n ** 64n - 1n;
const pageSize = 4096n;
/** No kernel has another limit: 64 bits, in pages. */
const unlimited = ((2n ** 63n - 1n) / pageSize) * pageSize;

/** A limit that v2 has in one file, with `max` for none. */
function limitFile(file: string): OnV2 {
  return { get: (read) => read(file), set: (value) => ({ file, value: value === "-1" ? "max" : value }) };
}

type CpuNumber = "shares" | "quota" | "period" | "realtimeRuntime" | "realtimePeriod";
type FieldRest = Carried & Pick<V1File, "unset" | "parse"> & Partial<Pick<V1File, "print" | "v2">>;

function cpu(file: string, name: CpuNumber, rest: FieldRest): V1File {
  return {
    controller: "cpu",
    file: `cpu.${file}`,
    field: `cpu.${name}`,
    current: (resources) => resources.cpu?.[name]?.toString(),
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: BigInt(value) };
    },
    print: line,
    ...rest,
  };
}

const cpuFiles: readonly V1File[] = [
  cpu("shares", "shares", {
    ...everywhere,
    unset: "1024",
    parse: (text) => {
      const shares = parseUnsigned(text);
      if (shares === undefined) return refuse("is no unsigned number");
      // The kernel cuts them and says nothing.
      return accept(shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares);
    },
    v2: {
      // compat: a v2 weight stands for many shares. While the spec's shares still make the present weight, they are the answer.
      get: (read, spec) => {
        const weight = presentWeight(read);
        const shares = spec.cpu?.shares;
        if (weight === undefined) return undefined;
        const isSpecs = shares !== undefined && findWeightForm(shares, weight) !== undefined;
        return `${isSpecs ? shares : toShares(weight, "quadratic")}`;
      },
      // Where neither form or both make the present weight, the newer one.
      set: (value, read, _, specShares) => {
        const present = presentWeight(read);
        const form = specShares !== undefined && present !== undefined && findWeightForm(specShares, present);
        return { file: "cpu.weight", value: `${toWeight(BigInt(value), form || "quadratic")}` };
      },
    },
  }),
  cpu("cfs_quota_us", "quota", {
    ...everywhere,
    unset: "-1",
    parse: orNone(integer(parseSigned, 1000n, most, "is neither -1 for none nor 1000 microseconds or more")),
    v2: {
      get: (read) => cpuMax(read)[0],
      set: (value, read, changes) => {
        const [, present = "100000"] = cpuMax(read);
        const quota = value.startsWith("-") ? "max" : value;
        return { file: "cpu.max", value: `${quota} ${changes.cpu?.period || present}` };
      },
    },
  }),
  cpu("cfs_period_us", "period", {
    ...everywhere,
    unset: "100000",
    parse: integer(parseUnsigned, 1000n, 1_000_000n, "is not from 1000 to 1000000 microseconds"),
    v2: {
      get: (read) => cpuMax(read)[1],
      // Quota and period are one file; the quota's turn writes both.
      set: (value, read, changes) =>
        changes.cpu?.quota ? undefined : { file: "cpu.max", value: `${cpuMax(read)[0] ?? "max"} ${value}` },
    },
  }),
  cpu("rt_runtime_us", "realtimeRuntime", {
    ...realTime,
    unset: "0",
    parse: orNone(integer(parseSigned, 0n, most, "is no number")),
  }),
  cpu("rt_period_us", "realtimePeriod", {
    ...realTime,
    unset: "1000000",
    parse: integer(parseUnsigned, 1n, most, "is no number above 0"),
  }),
];

function presentWeight(read: ReadText): bigint | undefined {
  const text = read("cpu.weight") ?? "";
  return /^[1-9]\d*$/.test(text) ? BigInt(text) : undefined;
}

function cpuMax(read: ReadText): readonly (string | undefined)[] {
  return read("cpu.max")?.split(" ") ?? [];
}

function cpuset(name: "cpus" | "mems", online: Indexes): V1File {
  const all = formatList(online);
  return {
    ...everywhere,
    controller: "cpuset",
    file: `cpuset.${name}`,
    field: `cpu.${name}`,
    // A runtime fills a new cpuset from its parent's, which in the end is the machine's.
    unset: all,
    // An empty text in a spec means unset, as in runc.
    current: (resources) => resources.cpu?.[name] || undefined,
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: value };
    },
    parse: (text) => {
      const list = parseList(text, online.at(-1) ?? 0);
      const isOnline = list?.every((index) => online.includes(index));
      return list && isOnline
        ? accept(formatList(list))
        : refuse(`is no list such as 0-3,8 within ${all}, what is online`);
    },
    print: (value) => `${value}\n`,
    v2: {
      get: (read) => read(`cpuset.${name}`) || read(`cpuset.${name}.effective`),
      set: (value) => ({ file: `cpuset.${name}`, value }),
    },
  };
}

/** compat: page_counter_memparse takes -1 as the one negative number, and anything beyond the limit as the limit. */
function parseLimit(text: string, largest: bigint, none: bigint): Parsed {
  const size = text === "-1" ? largest : parseSize(text);
  if (size === undefined) return refuse("is no size such as 512M, and not -1 for none");
  return accept(size >= largest ? none : size);
}

const byteLimit = {
  unset: "-1",
  parse: (text) => parseLimit(text, unlimited, -1n),
  print: (value) => line(`${value === "-1" ? unlimited : (BigInt(value) / pageSize) * pageSize}`),
} as const satisfies Partial<V1File>;

type MemoryNumber = "limit" | "reservation" | "swap" | "kernel" | "kernelTCP" | "swappiness";

function memory(file: string, name: MemoryNumber, rest: FieldRest): V1File {
  return {
    controller: "memory",
    file: `memory.${file}`,
    field: `memory.${name}`,
    current: (resources) => resources.memory?.[name]?.toString(),
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: BigInt(value) };
    },
    print: line,
    ...rest,
  };
}

function memoryFlag(file: string, name: "disableOOMKiller" | "useHierarchy", unset: string): V1File {
  return {
    ...startOnV1,
    controller: "memory",
    file: `memory.${file}`,
    field: `memory.${name}`,
    unset,
    current: (resources) => {
      const flag = resources.memory?.[name];
      return flag === undefined ? undefined : `${Number(flag)}`;
    },
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: value === "1" };
    },
    parse: integer(parseUnsigned, 0n, 1n, "is neither 0 nor 1"),
    print: name === "useHierarchy" ? line : (value) => `oom_kill_disable ${value}\nunder_oom 0\noom_kill 0\n`,
  };
}

const memoryFiles: readonly V1File[] = [
  memory("limit_in_bytes", "limit", { ...everywhere, ...byteLimit, v2: limitFile("memory.max") }),
  memory("soft_limit_in_bytes", "reservation", {
    ...startOnly,
    ...byteLimit,
    // A memory.low of 0 protects nothing: no reservation was made.
    v2: { ...limitFile("memory.low"), get: (read) => (read("memory.low") === "0" ? undefined : read("memory.low")) },
  }),
  memory("memsw.limit_in_bytes", "swap", { ...startOnly, ...byteLimit, v2: { get: swapLimit, set: swapMax } }),
  memory("kmem.limit_in_bytes", "kernel", { ...startOnV1, ...byteLimit }),
  memory("kmem.tcp.limit_in_bytes", "kernelTCP", { ...startOnV1, ...byteLimit }),
  memory("swappiness", "swappiness", {
    ...startOnV1,
    unset: "60",
    parse: integer(parseUnsigned, 0n, 200n, "is not from 0 to 200"),
  }),
  memoryFlag("oom_control", "disableOOMKiller", "0"),
  memoryFlag("use_hierarchy", "useHierarchy", "1"),
];

/** Memory and swap together, as v1 counts. */
function swapLimit(read: ReadText): string | undefined {
  const [present, swap] = [read("memory.max"), read("memory.swap.max")];
  if (present === undefined || swap === undefined) return undefined;
  return present === "max" || swap === "max" ? "max" : `${BigInt(present) + BigInt(swap)}`;
}

/** compat: runc writes memory+swap minus memory, because v2 counts swap alone; -1 stays no limit. */
function swapMax(asked: string, read: ReadText, changes: LinuxResources): Converted {
  const present = read("memory.max");
  const limit = changes.memory?.limit?.toString() ?? present ?? "max";
  const file = "memory.swap.max";
  const isFree = asked !== "-1" && (limit === "-1" || limit === "max");
  const swap = asked === "-1" || isFree ? asked : `${BigInt(asked) - BigInt(limit)}`;
  if (asked !== "-1" && swap.startsWith("-"))
    return `${asked} is less than the memory limit ${limit}, which it includes`;
  // compat: without swap accounting there is no such file, and runc takes no swap, or all there is, for done (fs2/memory.go).
  if ((swap === "-1" || swap === "0") && present !== undefined && read(file) === undefined) return undefined;
  return { file, value: swap === "-1" ? "max" : swap };
}

const pidsFile: V1File = {
  kind: "field",
  phases: ["create", "start"],
  controller: "pids",
  file: "pids.max",
  field: "pids.limit",
  unset: "-1",
  current: ({ pids }) => (pids === undefined ? undefined : pids.limit > 0n ? `${pids.limit}` : "-1"),
  assign: (resources, value) => {
    resources.pids = { limit: BigInt(value) };
  },
  // PIDS_MAX is PID_MAX_LIMIT + 1, which is 4194305 on 64 bits.
  parse: (text) =>
    text === "max"
      ? accept(-1n)
      : integer(parseSigned, 0n, 4_194_304n, "is neither max nor a number from 0 to 4194304")(text),
  print: (value) => line(value === "-1" ? "max" : value),
  v2: limitFile("pids.max"),
};

function hugetlb({ name, bytes }: Machine["hugepages"][number]): V1File {
  // The field is unsigned, and has no -1: no limit is the largest one there is, in whole pages.
  const largest = (unlimited / bytes) * bytes;
  return {
    ...everywhere,
    controller: "hugetlb",
    file: `hugetlb.${name}.limit_in_bytes`,
    field: `hugepageLimits.${name}`,
    unset: `${largest}`,
    current: ({ hugepageLimits }) => hugepageLimits?.find(({ pageSize }) => pageSize === name)?.limit.toString(),
    assign: (resources, value) => {
      const others = (resources.hugepageLimits ?? []).filter(({ pageSize }) => pageSize !== name);
      resources.hugepageLimits = [...others, { pageSize: name, limit: BigInt(value) }];
    },
    parse: (text) => parseLimit(text, largest, largest),
    print: (value) => line(`${(BigInt(value) / bytes) * bytes}`),
    v2: limitFile(`hugetlb.${name}.max`),
  };
}

/** The files whose fields a real cgroup holds too, as a machine's cgroups have them. */
export function fieldFiles({ cpus, mems, hugepages }: Machine): readonly V1File[] {
  const sets = [cpuset("cpus", cpus), cpuset("mems", mems)];
  return [...cpuFiles, ...sets, ...memoryFiles, pidsFile, ...hugepages.map(hugetlb)];
}
