import type { Phase } from "../adjust/types.js";
import type { LinuxResources } from "../v01/resources.js";
import type { ControllerName } from "./controllers.js";
import {
  accept,
  formatList,
  type IndexRanges,
  isWithin,
  type Machine,
  machineLists,
  type Parsed,
  parseList,
  parseSigned,
  parseSize,
  parseUnsigned,
  refuse,
} from "./machine.js";
import { findWeightForm, toBlkioWeight, toIoWeight, toShares, toWeight } from "./weight.js";

// All files of a cgroup v1, and what becomes of a write to each. Formats, ranges and defaults: the kernel's
// Documentation/admin-guide/cgroup-v1, kernel/sched/core.c, kernel/cgroup, mm/memcontrol-v1.c, mm/page_counter.c,
// mm/hugetlb_cgroup.c, block/blk-throttle.c, block/bfq-cgroup.c, security/device_cgroup.c and a cgroup v1 of Linux 6.18.

/** The text of a file of a container's real cgroup; undefined where it is not there. */
export type ReadText = (file: string) => string | undefined;

/** A write to a file of cgroup v2, or why there is none; undefined where v2 does it anyway. */
export type Converted = { readonly file: string; readonly value: string } | string | undefined;

/** The files of cgroup v2 that hold a field, read and written as runc does it. */
interface OnV2 {
  get(read: ReadText, spec: LinuxResources): string | undefined;
  set(value: string, read: ReadText, changes: LinuxResources, specShares: bigint | undefined): Converted;
}

/** Where a write can take effect: in phase start in the container's cgroup, else by what NRI hands on. */
interface Carried {
  readonly phases: readonly Phase[];
  /** The one cgroup version that has it. */
  readonly only?: 1 | 2;
}

/** A file with a field in LinuxResources. Values between text and field have one spelling: see Parsed. */
export interface FieldFile extends Carried {
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
  readonly byLine?: true;
}

/** What a write to a file without a field does. */
type Kind =
  | "setting"
  /** Sets a counter to 0, or drops pages: a new cgroup has none. */
  | "reset"
  /** Names a process or a descriptor of one. */
  | "process"
  /** The kernel refuses it. */
  | "read";

/** A file without a field. */
export interface PlainFile {
  readonly controller: ControllerName;
  readonly file: string;
  readonly kind: Kind;
  /** What the kernel prints in a new cgroup. */
  readonly content: string;
}

/** What becomes of a write: a change of resources, a text for the file of the real cgroup, nothing, or why it is lost. */
export type Fate = "resources" | "file" | "none" | { readonly lost: string };

/** Where a view's writes go. */
export interface Place {
  readonly phase: Phase;
  readonly version: 1 | 2 | "unknown";
}

/** `isReal`: the container's real cgroup has this file of v1. */
export function fateOf(file: FieldFile | PlainFile, { phase, version }: Place, isReal: boolean): Fate {
  const lost = (why: string, remedy: string): Fate => ({ lost: `${why}: ${remedy}` });
  const leave = "leave it out";
  if ("kind" in file) {
    if (file.kind === "read") return lost("the kernel lets nobody write it", leave);
    if (file.kind === "process") return lost("processes are the runtime's", `${leave}, set \`cgroup: host\``);
  } else if (file.phases.includes(phase) && (file.only ?? version) === version) return "resources";
  else if (file.phases.includes(phase) && version === "unknown") return "resources";
  // A recording has no cgroups: there a write to the real one is as good as made.
  if (phase === "start" && (isReal || version === "unknown")) return "file";
  if ("kind" in file && file.kind === "reset") return "none";
  if (phase === "delete") return lost("the container ends", "write it at the create");
  const later = !("kind" in file) && file.phases.includes("start") && (file.only ?? version) === version;
  if (phase === "create" && (version === 1 || later)) {
    return lost("NRI does not carry it", "set `phase: start`, where it is written to the container's cgroup");
  }
  if ("kind" in file)
    return lost(version === 2 ? "cgroup v2 and NRI have no such setting" : "NRI has no such setting", leave);
  if (file.only === 1 && version === 2) return lost("cgroup v2 has no such setting", leave);
  const elsewhere = file.phases.includes("create") && phase === "start" ? "set `phase: create`" : leave;
  return lost(`it cannot be changed in phase ${phase}`, elsewhere);
}

const everywhere = { phases: ["create", "start", "update"] } as const satisfies Carried;
const v1RealTime = { phases: ["create", "start"], only: 1 } as const satisfies Carried;
/** NRI's generator (0.2 to 0.12) drops them in silence. */
const startOnly = { phases: ["start"] } as const satisfies Carried;
const startOnV1 = { phases: ["start"], only: 1 } as const satisfies Carried;
const onV2 = { ...everywhere, only: 2 } as const satisfies Carried;

const line = (value: string): string => `${value}\n`;

/** No machine's kernel has another limit than this one's: 64 bits, in pages. */
function unlimitedPages(pageSize: bigint): bigint {
  return ((2n ** 63n - 1n) / pageSize) * pageSize;
}

/** The files whose fields a real cgroup holds too, as a machine's cgroups have them. */
export function fieldFiles(machine: Machine): readonly FieldFile[] {
  return [...cpuFiles, ...cpusetFiles(machine), ...memoryFiles(machine.pageSize), pidsFile, ...hugetlbFiles(machine)];
}

/** A limit that v2 has in one file, with `max` for none. */
function limitFile(file: string): OnV2 {
  return { get: (read) => read(file), set: (value) => ({ file, value: value === "-1" ? "max" : value }) };
}

function cpuFile(
  file: string,
  name: "shares" | "quota" | "period" | "realtimeRuntime" | "realtimePeriod",
  rest: Carried & Pick<FieldFile, "unset" | "parse"> & { readonly v2?: OnV2 },
): FieldFile {
  return {
    controller: "cpu",
    file,
    field: `cpu.${name}`,
    current: ({ cpu }) => cpu?.[name]?.toString(),
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: BigInt(value) };
    },
    print: line,
    ...rest,
  };
}

const cpuFiles: readonly FieldFile[] = [
  cpuFile("cpu.shares", "shares", {
    ...everywhere,
    unset: "1024",
    // The kernel cuts shares to 2..262144 and says nothing.
    parse: (text) => {
      const shares = parseUnsigned(text);
      if (shares === undefined) return refuse("is no unsigned number");
      return accept(shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares);
    },
    v2: {
      // compat: a v2 weight stands for many shares. While the spec's shares still make the present weight, they are the answer.
      get: (read, { cpu }) => {
        const weight = presentWeight(read);
        if (weight === undefined) return undefined;
        const form = cpu?.shares === undefined ? undefined : findWeightForm(cpu.shares, weight);
        return `${form === undefined ? toShares(weight, "quadratic") : cpu?.shares}`;
      },
      // Where neither form or both make the present weight, the newer one.
      set: (value, read, _, specShares) => {
        const present = presentWeight(read);
        const form =
          specShares === undefined || present === undefined ? undefined : findWeightForm(specShares, present);
        return { file: "cpu.weight", value: `${toWeight(BigInt(value), form ?? "quadratic")}` };
      },
    },
  }),
  cpuFile("cpu.cfs_quota_us", "quota", {
    ...everywhere,
    unset: "-1",
    parse: (text) => {
      const quota = parseSigned(text);
      if (quota === undefined) return refuse("is no number");
      if (quota < 0n) return accept(-1n);
      return quota < 1000n ? refuse("is less than 1000 microseconds, and not -1 for none") : accept(quota);
    },
    v2: {
      get: (read) => cpuMax(read)?.quota,
      set: (value, read, { cpu }) => {
        const quota = value.startsWith("-") ? "max" : value;
        return { file: "cpu.max", value: `${quota} ${cpu?.period || cpuMax(read)?.period || 100_000}` };
      },
    },
  }),
  cpuFile("cpu.cfs_period_us", "period", {
    ...everywhere,
    unset: "100000",
    parse: (text) => {
      const period = parseUnsigned(text);
      if (period === undefined) return refuse("is no unsigned number");
      return period < 1000n || period > 1_000_000n
        ? refuse("is not from 1000 to 1000000 microseconds")
        : accept(period);
    },
    v2: {
      get: (read) => cpuMax(read)?.period,
      // Quota and period are one file; the quota's turn writes both.
      set: (value, read, { cpu }) =>
        cpu?.quota ? undefined : { file: "cpu.max", value: `${cpuMax(read)?.quota ?? "max"} ${value}` },
    },
  }),
  cpuFile("cpu.rt_runtime_us", "realtimeRuntime", {
    ...v1RealTime,
    unset: "0",
    parse: (text) => {
      const runtime = parseSigned(text);
      return runtime === undefined ? refuse("is no number") : accept(runtime < 0n ? -1n : runtime);
    },
  }),
  cpuFile("cpu.rt_period_us", "realtimePeriod", {
    ...v1RealTime,
    unset: "1000000",
    parse: (text) => {
      const period = parseUnsigned(text);
      return period === undefined || period === 0n ? refuse("is no number above 0") : accept(period);
    },
  }),
];

function presentWeight(read: ReadText): bigint | undefined {
  const text = read("cpu.weight")?.trim() ?? "";
  return /^[1-9]\d*$/.test(text) ? BigInt(text) : undefined;
}

function cpuMax(read: ReadText): { readonly quota?: string | undefined; readonly period?: string | undefined } {
  const [quota, period] = read("cpu.max")?.split(" ") ?? [];
  return { quota, period };
}

function cpusetFiles(machine: Machine): FieldFile[] {
  const lists = machineLists(machine);
  const key = (name: "cpus" | "mems", online: IndexRanges): FieldFile => ({
    ...everywhere,
    controller: "cpuset",
    file: `cpuset.${name}`,
    field: `cpu.${name}`,
    // A runtime fills a new cpuset from its parent's, which in the end is the machine's.
    unset: lists[name],
    // An empty text in a spec means unset, as in runc.
    current: ({ cpu }) => normalizeList(cpu?.[name], online),
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: value };
    },
    parse: (text) => {
      const list = parseList(text, online);
      if (list === undefined) return refuse("is no list such as 0-3,8");
      return isWithin(list, online) ? accept(formatList(list)) : refuse(`is not within ${lists[name]}, what is online`);
    },
    print: line,
    v2: {
      get: (read) => read(`cpuset.${name}`)?.trim() || read(`cpuset.${name}.effective`),
      set: (value) => ({ file: `cpuset.${name}`, value }),
    },
  });
  return [key("cpus", machine.cpus), key("mems", machine.mems)];
}

function normalizeList(text: string | undefined, online: IndexRanges): string | undefined {
  if (text === undefined || text === "") return undefined;
  const list = parseList(text, online);
  return list === undefined ? text : formatList(list);
}

function memoryFiles(pageSize: bigint): FieldFile[] {
  const unlimited = unlimitedPages(pageSize);
  const limit = (
    file: string,
    name: "limit" | "reservation" | "swap" | "kernel" | "kernelTCP",
    rest: Carried & { readonly v2?: OnV2 },
  ): FieldFile => ({
    controller: "memory",
    file: `memory.${file}`,
    field: `memory.${name}`,
    unset: "-1",
    current: ({ memory }) => memory?.[name]?.toString(),
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: BigInt(value) };
    },
    parse: (text) => parseLimit(text, unlimited, -1n),
    print: (value) => line(value === "-1" ? `${unlimited}` : `${(BigInt(value) / pageSize) * pageSize}`),
    ...rest,
  });
  const flag = (file: string, name: "disableOOMKiller" | "useHierarchy", unset: "0" | "1", v2: string): FieldFile => ({
    ...startOnV1,
    controller: "memory",
    file: `memory.${file}`,
    field: `memory.${name}`,
    unset,
    current: ({ memory }) => (memory?.[name] === undefined ? undefined : memory[name] ? "1" : "0"),
    assign: (resources, value) => {
      resources.memory = { ...resources.memory, [name]: value === "1" };
    },
    parse: (text) => {
      const value = parseUnsigned(text);
      return value === 0n || value === 1n ? accept(value) : refuse("is neither 0 nor 1");
    },
    print: line,
    v2: { get: () => undefined, set: (value) => (value === unset ? undefined : v2) },
  });
  const low = limitFile("memory.low");
  return [
    limit("limit_in_bytes", "limit", { ...everywhere, v2: limitFile("memory.max") }),
    limit("soft_limit_in_bytes", "reservation", {
      ...startOnly,
      // A memory.low of 0 protects nothing: no reservation was made.
      v2: { ...low, get: (read) => (read("memory.low") === "0" ? undefined : read("memory.low")) },
    }),
    limit("memsw.limit_in_bytes", "swap", { ...startOnly, v2: { get: swapLimit, set: swapMax } }),
    limit("kmem.limit_in_bytes", "kernel", startOnV1),
    limit("kmem.tcp.limit_in_bytes", "kernelTCP", startOnV1),
    {
      ...startOnV1,
      controller: "memory",
      file: "memory.swappiness",
      field: "memory.swappiness",
      unset: "60",
      current: ({ memory }) => memory?.swappiness?.toString(),
      assign: (resources, value) => {
        resources.memory = { ...resources.memory, swappiness: BigInt(value) };
      },
      parse: (text) => {
        const value = parseUnsigned(text);
        return value === undefined || value > 200n ? refuse("is not from 0 to 200") : accept(value);
      },
      print: line,
    },
    {
      ...flag("oom_control", "disableOOMKiller", "0", "cgroup v2 cannot switch the OOM killer off"),
      print: (value) => `oom_kill_disable ${value}\nunder_oom 0\noom_kill 0\n`,
    },
    flag("use_hierarchy", "useHierarchy", "1", "cgroup v2 is always hierarchical"),
  ];
}

/** Memory and swap together, as v1 counts. */
function swapLimit(read: ReadText): string | undefined {
  const [memory, swap] = [read("memory.max"), read("memory.swap.max")];
  if (memory === undefined || swap === undefined) return undefined;
  return memory === "max" || swap === "max" ? "max" : `${BigInt(memory) + BigInt(swap)}`;
}

/** compat: runc writes memory+swap minus memory, because v2 counts swap alone; -1 stays no limit. */
function swapMax(asked: string, read: ReadText, changes: LinuxResources): Converted {
  const present = read("memory.max");
  const memory = changes.memory?.limit?.toString() ?? present ?? "max";
  const file = "memory.swap.max";
  const max = (value: string): Converted =>
    // compat: without swap accounting there is no such file, and runc takes no swap, or all there is, for done (fs2/memory.go).
    (value === "max" || value === "0") && present !== undefined && read(file) === undefined
      ? undefined
      : { file, value };
  if (asked === "-1") return max("max");
  if (memory === "-1" || memory === "max") return max(asked);
  const swap = BigInt(asked) - BigInt(memory);
  return swap < 0n ? `${asked} is less than the memory limit ${memory}, which it includes` : max(`${swap}`);
}

const pidsFile: FieldFile = {
  phases: ["create", "start"],
  controller: "pids",
  file: "pids.max",
  field: "pids.limit",
  unset: "-1",
  current: ({ pids }) => (pids === undefined ? undefined : pids.limit > 0n ? `${pids.limit}` : "-1"),
  assign: (resources, value) => {
    resources.pids = { limit: BigInt(value) };
  },
  parse: (text) => {
    if (text === "max") return accept(-1n);
    const limit = parseSigned(text);
    // PIDS_MAX is PID_MAX_LIMIT + 1, which is 4194305 on 64 bits.
    return limit === undefined || limit < 0n || limit > 4_194_304n
      ? refuse("is neither max nor a number from 0 to 4194304")
      : accept(limit);
  },
  print: (value) => line(value === "-1" ? "max" : value),
  v2: limitFile("pids.max"),
};

function hugetlbFiles(machine: Machine): FieldFile[] {
  return machine.hugepages.map(({ name, bytes }): FieldFile => {
    // The field is unsigned, and has no -1: no limit is the largest one there is, in whole pages.
    const unlimited = (unlimitedPages(machine.pageSize) / bytes) * bytes;
    return {
      ...everywhere,
      controller: "hugetlb",
      file: `hugetlb.${name}.limit_in_bytes`,
      field: `hugepageLimits.${name}`,
      unset: `${unlimited}`,
      current: ({ hugepageLimits }) => hugepageLimits?.find(({ pageSize }) => pageSize === name)?.limit.toString(),
      assign: (resources, value) => {
        const others = (resources.hugepageLimits ?? []).filter(({ pageSize }) => pageSize !== name);
        resources.hugepageLimits = [...others, { pageSize: name, limit: BigInt(value) }];
      },
      parse: (text) => parseLimit(text, unlimited, unlimited),
      print: (value) => line(`${(BigInt(value) / bytes) * bytes}`),
      v2: limitFile(`hugetlb.${name}.max`),
    };
  });
}

/** compat: page_counter_memparse takes -1 as the one negative number, and anything beyond the limit as the limit. */
function parseLimit(text: string, unlimited: bigint, none: bigint): Parsed {
  if (text === "-1") return accept(none);
  const bytes = parseSize(text);
  if (bytes === undefined) return refuse("is no size such as 512M, and not -1 for none");
  return accept(bytes >= unlimited ? none : bytes);
}

/** The files that take a line for each device. What they hold is in no cgroup v1 field of a runtime's own. */
export const lineFiles: readonly FieldFile[] = [
  ...[false, true].map(
    (allow): FieldFile => ({
      // Since NRI 0.10, see adjust.
      phases: ["create"],
      controller: "devices",
      file: allow ? "devices.allow" : "devices.deny",
      field: "devices",
      byLine: true,
      unset: "",
      current: () => undefined,
      assign: (resources, value) => {
        const rules = value.split("\n").map((rule) => {
          const [type = "a", major, minor, access = "rwm"] = rule.split(/[ :]/);
          return { allow, type, ...numbered("major", major), ...numbered("minor", minor), access };
        });
        resources.devices = [...(resources.devices ?? []), ...rules];
      },
      parse: (text) =>
        parseLines(text, "is no rule such as c 1:3 rwm", (rule) =>
          // The kernel reads nothing behind an a.
          rule.startsWith("a") ? "a" : /^[bc] (\d{1,10}|\*):(\d{1,10}|\*) [rwm]{1,3}$/.exec(rule)?.[0],
        ),
      print: () => "",
    }),
  ),
  ...(["read_bps", "write_bps", "read_iops", "write_iops"] as const).map((name): FieldFile => {
    const key = name.replace("read_", "r").replace("write_", "w");
    return {
      ...onV2,
      ...ioLines(
        "io.max",
        (limits) => new RegExp(`\\b${key}=(\\d+)`).exec(limits)?.[1],
        (before, rate) => {
          const others = before.split(" ").filter((limit) => limit !== "" && !limit.startsWith(`${key}=`));
          return [...others, `${key}=${rate === "0" ? "max" : rate}`].join(" ");
        },
      ),
      file: `blkio.throttle.${name}_device`,
      parse: (text) => parseLines(text, "is no line such as 8:0 1048576", (rate) => /^\d+:\d+ \d+$/.exec(rate)?.[0]),
    };
  }),
  ...(["blkio.weight", "blkio.bfq.weight"] as const).flatMap((file): FieldFile[] => {
    const unset = file === "blkio.weight" ? "500" : "100";
    const least = file === "blkio.weight" ? 10n : 1n;
    const lines = ioLines(
      "io.weight",
      (weight) => (/^\d+$/.test(weight) && weight !== "100" ? `${toBlkioWeight(BigInt(weight))}` : undefined),
      (_, weight) => (/^[1-9]/.test(weight) ? `${toIoWeight(BigInt(weight))}` : "default"),
    );
    const isWeight = (weight: bigint | undefined) => weight !== undefined && weight >= least && weight <= 1000n;
    return [
      {
        ...onV2,
        ...lines,
        file,
        unset,
        current: (resources) => /^default (\d+)$/m.exec(lines.current(resources) ?? "")?.[1],
        assign: (resources, value) => lines.assign(resources, `default ${value}`),
        parse: (text) => {
          const weight = parseUnsigned(text);
          return isWeight(weight) ? accept(text) : refuse(`is not from ${least} to 1000`);
        },
      },
      {
        ...onV2,
        ...lines,
        file: `${file}_device`,
        byLine: true,
        current: (resources) => lines.current(resources)?.replace(/^default .*\n?/m, "") || undefined,
        parse: (text) =>
          parseLines(text, `is no line such as 8:0 300, from ${least} to 1000`, (rule) => {
            const weight = /^(?:default|\d+:\d+) (\d+|default)$/.exec(rule)?.[1];
            return weight === "0" || weight === "default" || isWeight(parseUnsigned(weight ?? "")) ? rule : undefined;
          }),
      },
    ];
  }),
];

function numbered<K extends string>(key: K, text: string | undefined): { readonly [N in K]?: bigint } | object {
  return text === undefined || text === "*" ? {} : { [key]: BigInt(text) };
}

function parseLines(text: string, expected: string, read: (line: string) => string | undefined): Parsed {
  const lines = text.split("\n").map((one) => read(one.trim().replace(/\s+/g, " ")));
  return lines.includes(undefined) ? refuse(expected) : accept(lines.join("\n"));
}

/** A v1 file whose lines are part of the lines of a v2 file, which `unified` carries. */
function ioLines(
  file: "io.max" | "io.weight",
  get: (rest: string) => string | undefined,
  set: (before: string, value: string) => string,
): Omit<FieldFile, "file" | "parse" | "phases" | "only"> {
  return {
    controller: "blkio",
    field: `unified.${file}`,
    byLine: true,
    unset: "",
    current: ({ unified }) => {
      const lines = [...linesOf(unified?.[file] ?? "")].flatMap(([device, rest]) => {
        const value = get(rest);
        return value === undefined ? [] : [`${device} ${value}`];
      });
      return lines.length === 0 ? undefined : lines.join("\n");
    },
    assign: (resources, value) => {
      const lines = linesOf(resources.unified?.[file] ?? "");
      for (const [device, one] of linesOf(value)) lines.set(device, set(lines.get(device) ?? "", one));
      const text = [...lines].map(([device, rest]) => `${device} ${rest}`).join("\n");
      resources.unified = { ...resources.unified, [file]: text };
    },
    print: (value) => (value === "" ? "" : line(value)),
  };
}

/** By the device, or `default`. */
function linesOf(text: string): Map<string, string> {
  return new Map(
    text.split("\n").flatMap((one): [string, string][] => {
      const [, device, rest] = /^(\S+) (.*)$/.exec(one) ?? [];
      return device === undefined || rest === undefined ? [] : [[device, rest]];
    }),
  );
}

const zero = "0\n";
const zeros = (...files: readonly string[]) => Object.fromEntries(files.map((file) => [file, zero]));

const memoryStat = ["cache", "rss", "rss_huge", "shmem", "mapped_file", "dirty", "writeback", "swap"]
  .concat(["pgpgin", "pgpgout", "pgfault", "pgmajfault"])
  .concat(["inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable"])
  .map((key) => `${key} 0\ntotal_${key} 0\n`)
  .join("");
const counters = ["memory", "memory.memsw", "memory.kmem", "memory.kmem.tcp"];
const ioStats = ["throttle.io_service_bytes", "throttle.io_serviced", "bfq.io_service_bytes", "bfq.io_serviced"];

/** In the directory of every cgroup; the processes are the container's. */
const everyCgroup = {
  process: { "cgroup.procs": "", tasks: "" },
  setting: zeros("cgroup.clone_children", "notify_on_release"),
};

type PlainFiles = { readonly [K in Kind]?: Readonly<Record<string, string>> };

const plain: { readonly [C in ControllerName]?: PlainFiles } = {
  cpu: {
    setting: { ...zeros("cpu.cfs_burst_us", "cpu.idle"), "cpu.uclamp.min": "0.00\n", "cpu.uclamp.max": "max\n" },
    read: { "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n", "cpu.stat.local": "throttled_time 0\n" },
  },
  cpuacct: {
    reset: zeros("cpuacct.usage"),
    read: {
      "cpuacct.stat": "user 0\nsystem 0\n",
      "cpuacct.usage_all": "cpu user system\n",
      ...zeros("cpuacct.usage_user", "cpuacct.usage_sys"),
      ...zeros("cpuacct.usage_percpu", "cpuacct.usage_percpu_user", "cpuacct.usage_percpu_sys"),
    },
  },
  cpuset: {
    setting: {
      ...zeros("cpuset.cpu_exclusive", "cpuset.mem_exclusive", "cpuset.mem_hardwall", "cpuset.memory_migrate"),
      ...zeros("cpuset.memory_spread_page", "cpuset.memory_spread_slab"),
      "cpuset.sched_load_balance": "1\n",
      "cpuset.sched_relax_domain_level": "-1\n",
    },
    read: zeros("cpuset.memory_pressure"),
  },
  memory: {
    setting: zeros("memory.move_charge_at_immigrate"),
    reset: {
      ...zeros(...counters.flatMap((prefix) => [`${prefix}.failcnt`, `${prefix}.max_usage_in_bytes`])),
      "memory.force_empty": "",
    },
    process: { "cgroup.event_control": "" },
    read: {
      ...zeros(...counters.map((prefix) => `${prefix}.usage_in_bytes`)),
      "memory.stat": memoryStat,
      "memory.numa_stat": "total=0 N0=0\n",
      "memory.kmem.slabinfo": "",
      "memory.pressure_level": "",
    },
  },
  devices: { read: { "devices.list": "a *:* rwm\n" } },
  freezer: {
    setting: { "freezer.state": "THAWED\n" },
    read: zeros("freezer.self_freezing", "freezer.parent_freezing"),
  },
  blkio: {
    setting: { "blkio.leaf_weight": "500\n", "blkio.leaf_weight_device": "", "blkio.prio.class": "no-change\n" },
    reset: { "blkio.reset_stats": "" },
    read: Object.fromEntries(
      ioStats.flatMap((name) => ["", "_recursive"].map((end) => [`blkio.${name}${end}`, "Total 0\n"])),
    ),
  },
  pids: { read: { ...zeros("pids.current", "pids.peak"), "pids.events": "max 0\n" } },
  net_cls: { setting: zeros("net_cls.classid") },
  net_prio: { setting: { "net_prio.ifpriomap": "" }, read: { "net_prio.prioidx": "1\n" } },
  rdma: { setting: { "rdma.max": "" }, read: { "rdma.current": "" } },
  misc: { setting: { "misc.max": "" }, read: { "misc.current": "", "misc.events": "" } },
};

/** The files without a field, of a cgroup in the hierarchy of these controllers. */
export function plainFiles(controllers: readonly [ControllerName, ...ControllerName[]], machine: Machine): PlainFile[] {
  const filesOf = (controller: ControllerName, files: PlainFiles): PlainFile[] =>
    kinds.flatMap((kind) =>
      Object.entries(files[kind] ?? {}).map(([file, content]) => ({ controller, file, kind, content })),
    );
  return [
    ...filesOf(controllers[0], everyCgroup),
    ...controllers.flatMap((controller) =>
      filesOf(controller, controller === "hugetlb" ? hugetlbPlain(machine) : (plain[controller] ?? {})),
    ),
  ];
}

const kinds = ["setting", "reset", "process", "read"] as const satisfies readonly Kind[];

function hugetlbPlain({ hugepages, pageSize }: Machine): PlainFiles {
  const both = hugepages.flatMap(({ name }) => [`hugetlb.${name}`, `hugetlb.${name}.rsvd`]);
  const reserved = hugepages.map(({ name, bytes }) => [
    `hugetlb.${name}.rsvd.limit_in_bytes`,
    line(`${(unlimitedPages(pageSize) / bytes) * bytes}`),
  ]);
  return {
    setting: Object.fromEntries(reserved),
    reset: zeros(...both.flatMap((prefix) => [`${prefix}.failcnt`, `${prefix}.max_usage_in_bytes`])),
    read: zeros(...both.map((prefix) => `${prefix}.usage_in_bytes`)),
  };
}
