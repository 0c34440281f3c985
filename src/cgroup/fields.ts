import type { LinuxResources } from "../v01/resources.js";
import type { ControllerName } from "./controllers.js";
import {
  accept,
  formatList,
  type Hugepage,
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

/**
 * A cgroup v1 file that has a field in LinuxResources. Values between text and field have one spelling: see Parsed.
 * Formats, ranges and defaults: the kernel's Documentation/admin-guide/cgroup-v1, kernel/sched/core.c, mm/memcontrol-v1.c,
 * mm/page_counter.c, kernel/cgroup/pids.c and a cgroup v1 of Linux 6.18.
 */
export interface FieldFile {
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
}

const line = (value: string): string => `${value}\n`;

/** No machine's kernel has another limit than this one's: 64 bits, in pages. */
function unlimitedPages(pageSize: bigint): bigint {
  return ((2n ** 63n - 1n) / pageSize) * pageSize;
}

/** The files with a field that a machine's cgroups have. */
export function fieldFiles(machine: Machine): readonly FieldFile[] {
  return [...cpuFiles(), ...cpusetFiles(machine), ...memoryFiles(machine.pageSize), pidsFile, ...hugetlbFiles(machine)];
}

function cpuFiles(): FieldFile[] {
  const key = (
    file: string,
    name: "shares" | "quota" | "period" | "realtimeRuntime" | "realtimePeriod",
    unset: string,
    parse: (text: string) => Parsed,
  ): FieldFile => ({
    controller: "cpu",
    file,
    field: `cpu.${name}`,
    unset,
    current: ({ cpu }) => cpu?.[name]?.toString(),
    assign: (resources, value) => {
      resources.cpu = { ...resources.cpu, [name]: BigInt(value) };
    },
    parse,
    print: line,
  });
  return [
    // The kernel cuts shares to 2..262144 and says nothing.
    key("cpu.shares", "shares", "1024", (text) => {
      const shares = parseUnsigned(text);
      if (shares === undefined) return refuse("is no unsigned number");
      return accept(shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares);
    }),
    key("cpu.cfs_quota_us", "quota", "-1", (text) => {
      const quota = parseSigned(text);
      if (quota === undefined) return refuse("is no number");
      if (quota < 0n) return accept(-1n);
      return quota < 1000n ? refuse("is less than 1000 microseconds, and not -1 for none") : accept(quota);
    }),
    key("cpu.cfs_period_us", "period", "100000", (text) => {
      const period = parseUnsigned(text);
      if (period === undefined) return refuse("is no unsigned number");
      return period < 1000n || period > 1_000_000n
        ? refuse("is not from 1000 to 1000000 microseconds")
        : accept(period);
    }),
    key("cpu.rt_runtime_us", "realtimeRuntime", "0", (text) => {
      const runtime = parseSigned(text);
      return runtime === undefined ? refuse("is no number") : accept(runtime < 0n ? -1n : runtime);
    }),
    key("cpu.rt_period_us", "realtimePeriod", "1000000", (text) => {
      const period = parseUnsigned(text);
      return period === undefined || period === 0n ? refuse("is no number above 0") : accept(period);
    }),
  ];
}

function cpusetFiles(machine: Machine): FieldFile[] {
  const lists = machineLists(machine);
  const key = (name: "cpus" | "mems", online: IndexRanges): FieldFile => ({
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
  const limit = (file: string, name: "limit" | "reservation" | "swap" | "kernel" | "kernelTCP"): FieldFile => ({
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
  });
  const flag = (file: string, name: "disableOOMKiller" | "useHierarchy", unset: string): FieldFile => ({
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
  });
  return [
    limit("limit_in_bytes", "limit"),
    limit("soft_limit_in_bytes", "reservation"),
    limit("memsw.limit_in_bytes", "swap"),
    limit("kmem.limit_in_bytes", "kernel"),
    limit("kmem.tcp.limit_in_bytes", "kernelTCP"),
    {
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
      ...flag("oom_control", "disableOOMKiller", "0"),
      print: (value) => `oom_kill_disable ${value}\nunder_oom 0\noom_kill 0\n`,
    },
    flag("use_hierarchy", "useHierarchy", "1"),
  ];
}

const pidsFile: FieldFile = {
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
};

function hugetlbFiles(machine: Machine): FieldFile[] {
  return machine.hugepages.map(({ name, bytes }: Hugepage): FieldFile => {
    // The field is unsigned, and has no -1: no limit is the largest one there is, in whole pages.
    const unlimited = (unlimitedPages(machine.pageSize) / bytes) * bytes;
    return {
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
