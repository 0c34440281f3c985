import type { Phase } from "../adjust/types.js";
import type { LinuxResources } from "../v01/resources.js";
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
import type { ControllerName } from "./v1-files.js";
import { findWeightForm, toShares, toWeight } from "./weight.js";

/** Reads the text of a file of a container's real cgroup; undefined if the file does not exist. */
export type ReadText = (file: string) => string | undefined;

/** A write to a file of cgroup v2, or as a text why v2 cannot take the value; undefined if no write is necessary. */
export type Converted = { readonly file: string; readonly value: string } | string | undefined;

/** How to read and write a field in the files of cgroup v2, converted as runc does it. */
interface OnV2 {
  get(read: ReadText, spec: LinuxResources): string | undefined;
  set(value: string, read: ReadText, changes: LinuxResources, specShares: bigint | undefined): Converted;
}

/**
 * What a write to a file affects, and where the write can take effect: in phase start in the container's real cgroup, in the other
 * phases through what NRI hands to the runtime.
 */
export interface Carried {
  /**
   * `field`: the file stands for a field of LinuxResources. `setting`: for another setting. `reset`: a write resets a counter.
   * `process`: the file takes a pid or a process's descriptor. `read`: the file is read-only.
   */
  readonly kind: "field" | "setting" | "reset" | "process" | "read";
  readonly phases: readonly Phase[];
  /** The only cgroup version that has the setting; absent if both have it. */
  readonly only?: 1 | 2;
}

/** A file of a cgroup v1. Its functions exchange values in one normal spelling: see Parsed. */
export interface V1File extends Carried {
  readonly controller: ControllerName;
  readonly file: string;
  /** The field's name, as a plugin's author would search for it: `cpu.shares`. */
  readonly field?: string;
  /** The file's value in a new cgroup. */
  readonly unset: string;
  /** The file's value according to `resources`; undefined if these do not set it. A 0 is a value: see withoutUnset. */
  current(resources: LinuxResources): string | undefined;
  assign(resources: LinuxResources, value: string): void;
  /** Parses the text of one write as the kernel does; the caller has removed the white space around the text. */
  parse(text: string): Parsed;
  /** The file's text for a value, as the kernel prints it, with the newline. */
  print(value: string): string;
  readonly v2?: OnV2;
  /** Whether a write sets one line of the file, such as a device's line or a rule. The value then has all lines. */
  readonly byLine?: boolean;
}

/** The phase and the machine's cgroup version, which decide what becomes of the writes in a view. */
export interface Place {
  readonly phase: Phase;
  readonly version: 1 | 2 | "unknown";
}

/** What becomes of a plugin's write: a change of resources, a text for the real file, nothing, or why the write is lost. */
export type Fate = "resources" | "file" | "none" | { readonly lost: string };

/** What becomes of a plugin's write to a file. `isReal`: the container's real cgroup has this file of v1. */
export function fateOf({ kind, phases, only }: Carried, { phase, version }: Place, isReal: boolean): Fate {
  const lost = (why: string, remedy: string): Fate => ({ lost: `${why}: ${remedy}` });
  if (kind === "read") return lost("the file is read-only", "leave it out");
  if (kind === "process") return lost("only the runtime writes this file", "leave it out, or set `cgroup: host`");
  const isHere = version === "unknown" || only === undefined || only === version;
  if (isHere && phases.includes(phase)) return "resources";
  // The replay of a recording has no real cgroups (version "unknown"): there a write to a real file counts as made.
  if (phase === "start" && (isReal || version === "unknown")) return "file";
  if (kind === "reset") return "none";
  if (phase === "delete") return lost("the container is ending", "write the value at the create");
  if (phase === "create" && (version === 1 || (isHere && phases.includes("start"))))
    return lost("NRI does not pass this on", "set `phase: start`, where the bridge writes it to the cgroup");
  if (!isHere || kind === "setting") return lost("neither NRI nor the cgroup takes this setting", "leave it out");
  return lost(`this cannot be changed in phase ${phase}`, phase === "start" ? "set `phase: create`" : "leave it out");
}

const everywhere = { kind: "field", phases: ["create", "start", "update"] } as const satisfies Carried;
const realTime = { kind: "field", phases: ["create", "start"], only: 1 } as const satisfies Carried;
/** For fields that NRI's generator (0.2 to 0.12) drops in silence. */
const startOnly = { kind: "field", phases: ["start"] } as const satisfies Carried;
const startOnV1 = { kind: "field", phases: ["start"], only: 1 } as const satisfies Carried;

// The formats, ranges and defaults below are those of the kernel's Documentation/admin-guide/cgroup-v1, kernel/sched/core.c,
// mm/memcontrol-v1.c, mm/page_counter.c, kernel/cgroup/pids.c and a cgroup v1 of Linux 6.18.

export const line = (value: string): string => (value === "" ? "" : `${value}\n`);

export function integer(read: (text: string) => bigint | undefined, least: bigint, most: bigint, expected: string) {
  return (text: string): Parsed => {
    const value = read(text);
    return value === undefined || value < least || value > most ? refuse(expected) : accept(value);
  };
}

/** Extends a parser: every negative number becomes -1, which means no limit. */
function orNone(parse: (text: string) => Parsed) {
  return (text: string): Parsed => ((parseSigned(text) ?? 0n) < 0n ? accept(-1n) : parse(text));
}

const most = 2n ** 64n - 1n;
const pageSize = 4096n;
/** The memory limit in bytes that the kernel shows for no limit: the largest signed 64-bit number, in whole pages. */
const unlimited = ((2n ** 63n - 1n) / pageSize) * pageSize;

/** A limit that cgroup v2 has in one file, where `max` means no limit. */
function limitFile(file: string): OnV2 {
  return { get: (read) => read(file), set: (value) => ({ file, value: value === "-1" ? "max" : value }) };
}

type Field = Pick<V1File, "field" | "current" | "assign">;

function cpuNumber(name: "shares" | "quota" | "period" | "realtimeRuntime" | "realtimePeriod"): Field {
  return {
    field: `cpu.${name}`,
    current: ({ cpu }) => cpu?.[name]?.toString(),
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: BigInt(value) };
    },
  };
}

function cpuList(name: "cpus" | "mems"): Field {
  return {
    field: `cpu.${name}`,
    // An empty text in a spec means unset, as in runc.
    current: ({ cpu }) => cpu?.[name] || undefined,
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: value };
    },
  };
}

function memoryNumber(name: "limit" | "reservation" | "swap" | "kernel" | "kernelTCP" | "swappiness"): Field {
  return {
    field: `memory.${name}`,
    current: ({ memory }) => memory?.[name]?.toString(),
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: BigInt(value) };
    },
  };
}

function memoryFlag(name: "disableOOMKiller" | "useHierarchy"): Field {
  return {
    field: `memory.${name}`,
    current: ({ memory }) => (memory?.[name] === undefined ? undefined : `${Number(memory[name])}`),
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: value === "1" };
    },
  };
}

const pidsLimit: Field = {
  field: "pids.limit",
  current: ({ pids }) => (pids === undefined ? undefined : pids.limit > 0n ? `${pids.limit}` : "-1"),
  assign: (resources, value) => {
    resources.pids = { limit: BigInt(value) };
  },
};

function hugepageLimit(name: string): Field {
  return {
    field: `hugepageLimits.${name}`,
    current: ({ hugepageLimits }) => hugepageLimits?.find(({ pageSize }) => pageSize === name)?.limit.toString(),
    assign: (resources, value) => {
      const others = (resources.hugepageLimits ?? []).filter(({ pageSize }) => pageSize !== name);
      resources.hugepageLimits = [...others, { pageSize: name, limit: BigInt(value) }];
    },
  };
}

function parseShares(text: string): Parsed {
  const shares = parseUnsigned(text);
  if (shares === undefined) return refuse("is not an unsigned number");
  // The kernel silently raises or lowers shares to the range from 2 to 262144.
  return accept(shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares);
}

const weightFile: OnV2 = {
  // compat: many shares convert to the same v2 weight. If the spec's shares convert to the present weight, the view
  // shows the spec's shares.
  get: (read, spec) => {
    const weight = presentWeight(read);
    if (weight === undefined) return undefined;
    const isOf = (shares: bigint) => findWeightForm(shares, weight) !== undefined;
    return `${spec.cpu?.shares && isOf(spec.cpu.shares) ? spec.cpu.shares : toShares(weight, "quadratic")}`;
  },
  // If neither form or both forms convert the spec's shares to the present weight, the bridge uses the newer form.
  set: (value, read, _, specShares) => {
    const present = presentWeight(read);
    const form = specShares !== undefined && present !== undefined && findWeightForm(specShares, present);
    return { file: "cpu.weight", value: `${toWeight(BigInt(value), form || "quadratic")}` };
  },
};

// Cgroup v2 has quota and period in one file. If a change sets both, the write of the quota writes the period too.
const quotaFile: OnV2 = {
  get: (read) => cpuMax(read)[0],
  set: (value, read, changes) => {
    const [, present = "100000"] = cpuMax(read);
    const quota = value.startsWith("-") ? "max" : value;
    return { file: "cpu.max", value: `${quota} ${changes.cpu?.period || present}` };
  },
};
const periodFile: OnV2 = {
  get: (read) => cpuMax(read)[1],
  set: (value, read, changes) =>
    changes.cpu?.quota ? undefined : { file: "cpu.max", value: `${cpuMax(read)[0] ?? "max"} ${value}` },
};

function presentWeight(read: ReadText): bigint | undefined {
  const text = read("cpu.weight") ?? "";
  return /^[1-9]\d*$/.test(text) ? BigInt(text) : undefined;
}

function cpuMax(read: ReadText): readonly (string | undefined)[] {
  return read("cpu.max")?.split(" ") ?? [];
}

/**
 * compat: the kernel's page_counter_memparse takes -1 as the only negative number, and a number beyond the largest limit as the
 * largest limit, which means none.
 */
function parseLimit(text: string, largest: bigint, none: bigint): Parsed {
  const size = text === "-1" ? largest : parseSize(text);
  if (size === undefined) return refuse("is neither a size such as 512M nor -1 for none");
  return accept(size >= largest ? none : size);
}

// A memory.low of 0 protects no memory: the container has no reservation.
const low: OnV2 = {
  ...limitFile("memory.low"),
  get: (read) => (read("memory.low") === "0" ? undefined : read("memory.low")),
};

/** The limit of memory and swap together, as cgroup v1 counts; undefined if v2's memory.max or memory.swap.max does not exist. */
function swapLimit(read: ReadText): string | undefined {
  const [present, swap] = [read("memory.max"), read("memory.swap.max")];
  if (present === undefined || swap === undefined) return undefined;
  return present === "max" || swap === "max" ? "max" : `${BigInt(present) + BigInt(swap)}`;
}

/**
 * Converts a limit of memory and swap together to v2's limit of swap. compat: runc writes memory+swap minus memory, because v2
 * counts swap alone; -1 stays no limit.
 */
function swapMax(asked: string, read: ReadText, changes: LinuxResources): Converted {
  const present = read("memory.max");
  const limit = changes.memory?.limit?.toString() ?? present ?? "max";
  const file = "memory.swap.max";
  const isFree = asked !== "-1" && (limit === "-1" || limit === "max");
  const swap = asked === "-1" || isFree ? asked : `${BigInt(asked) - BigInt(limit)}`;
  if (asked !== "-1" && swap.startsWith("-"))
    return `${asked} is less than the memory limit ${limit}, which it includes`;
  // compat: without swap accounting memory.swap.max does not exist, and runc then ignores a request for no swap or for
  // unlimited swap (fs2/memory.go).
  if ((swap === "-1" || swap === "0") && present !== undefined && read(file) === undefined) return undefined;
  return { file, value: swap === "-1" ? "max" : swap };
}

function file(
  controller: ControllerName,
  name: string,
  field: Field,
  carried: Carried,
  unset: string,
  parse: V1File["parse"],
  more: Partial<Pick<V1File, "print" | "v2">> = {},
): V1File {
  return { controller, file: `${controller}.${name}`, print: line, ...field, ...carried, unset, parse, ...more };
}

// PIDS_MAX is PID_MAX_LIMIT + 1, which is 4194305 on 64 bits.
const parsePidsNumber = integer(parseSigned, 0n, 4_194_304n, "is neither max nor a number from 0 to 4194304");
const parsePids = (text: string) => (text === "max" ? accept(-1n) : parsePidsNumber(text));

const parseQuota = orNone(integer(parseSigned, 1000n, most, "is neither -1 for none nor 1000 microseconds or more"));
const parsePeriod = integer(parseUnsigned, 1000n, 1_000_000n, "is not a number of microseconds from 1000 to 1000000");
const parseRuntime = orNone(integer(parseSigned, 0n, most, "is neither -1 for none nor a number of microseconds"));
const parseFlag = integer(parseUnsigned, 0n, 1n, "is neither 0 nor 1");
const printOom = (value: string) => `oom_kill_disable ${value}\nunder_oom 0\noom_kill 0\n`;

function memoryLimit(name: string, field: Field, carried: Carried, more: Pick<V1File, "v2"> = {}): V1File {
  const print = (value: string) => line(`${value === "-1" ? unlimited : (BigInt(value) / pageSize) * pageSize}`);
  return file("memory", name, field, carried, "-1", (text) => parseLimit(text, unlimited, -1n), { print, ...more });
}

const files: readonly V1File[] = [
  file("cpu", "shares", cpuNumber("shares"), everywhere, "1024", parseShares, { v2: weightFile }),
  file("cpu", "cfs_quota_us", cpuNumber("quota"), everywhere, "-1", parseQuota, { v2: quotaFile }),
  file("cpu", "cfs_period_us", cpuNumber("period"), everywhere, "100000", parsePeriod, { v2: periodFile }),
  file("cpu", "rt_runtime_us", cpuNumber("realtimeRuntime"), realTime, "0", parseRuntime),
  file(
    "cpu",
    "rt_period_us",
    cpuNumber("realtimePeriod"),
    realTime,
    "1000000",
    integer(parseUnsigned, 1n, most, "is not a number from 1 on"),
  ),
  memoryLimit("limit_in_bytes", memoryNumber("limit"), everywhere, { v2: limitFile("memory.max") }),
  memoryLimit("soft_limit_in_bytes", memoryNumber("reservation"), startOnly, { v2: low }),
  memoryLimit("memsw.limit_in_bytes", memoryNumber("swap"), startOnly, { v2: { get: swapLimit, set: swapMax } }),
  memoryLimit("kmem.limit_in_bytes", memoryNumber("kernel"), startOnV1),
  memoryLimit("kmem.tcp.limit_in_bytes", memoryNumber("kernelTCP"), startOnV1),
  file(
    "memory",
    "swappiness",
    memoryNumber("swappiness"),
    startOnV1,
    "60",
    integer(parseUnsigned, 0n, 200n, "is not a number from 0 to 200"),
  ),
  file("memory", "oom_control", memoryFlag("disableOOMKiller"), startOnV1, "0", parseFlag, { print: printOom }),
  file("memory", "use_hierarchy", memoryFlag("useHierarchy"), startOnV1, "1", parseFlag),
  file("pids", "max", pidsLimit, { kind: "field", phases: ["create", "start"] }, "-1", parsePids, {
    print: (value) => line(value === "-1" ? "max" : value),
    v2: limitFile("pids.max"),
  }),
];

function cpuset(name: "cpus" | "mems", online: Indexes): V1File {
  const all = formatList(online);
  const parse = (text: string): Parsed => {
    const list = parseList(text, online.at(-1) ?? 0);
    const isOnline = list?.every((index) => online.includes(index));
    return list && isOnline
      ? accept(formatList(list))
      : refuse(`is not a list such as 0-3,8 within ${all}, what is online`);
  };
  const v2: OnV2 = {
    get: (read) => read(`cpuset.${name}`) || read(`cpuset.${name}.effective`),
    set: (value) => ({ file: `cpuset.${name}`, value }),
  };
  // A runtime copies the lists of the parent cgroup into a new cpuset; the topmost parent has the machine's lists.
  return file("cpuset", name, cpuList(name), everywhere, all, parse, { print: (value) => `${value}\n`, v2 });
}

function hugetlb({ name, bytes }: Machine["hugepages"][number]): V1File {
  // The OCI field is unsigned and cannot hold -1. The largest limit, in whole pages, stands for no limit.
  const largest = (unlimited / bytes) * bytes;
  const parse = (text: string) => parseLimit(text, largest, largest);
  const print = (value: string) => line(`${(BigInt(value) / bytes) * bytes}`);
  const more = { print, v2: limitFile(`hugetlb.${name}.max`) };
  return file("hugetlb", `${name}.limit_in_bytes`, hugepageLimit(name), everywhere, `${largest}`, parse, more);
}

/** The v1 files for fields that a real cgroup, v1 or v2, has too, with this machine's CPUs, memory nodes and huge pages. */
export function fieldFiles({ cpus, mems, hugepages }: Machine): readonly V1File[] {
  return [...files, cpuset("cpus", cpus), cpuset("mems", mems), ...hugepages.map(hugetlb)];
}
