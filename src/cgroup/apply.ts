import type { LinuxResources } from "../v01/resources.js";
import { type CgroupMounts, ContainerCgroup, writeFault } from "./container-cgroup.js";
import { type FieldFile, fieldFiles } from "./fields.js";
import type { Machine } from "./machine.js";
import { findWeightForm, toWeight, type WeightForm } from "./real-resources.js";

interface ApplyOptions extends PlanOptions {
  readonly mounts: CgroupMounts;
  readonly cgroupsPath: string;
}

/**
 * Applies changes to a container's real cgroup, whole or not at all. Gives what cannot be had, with the file and the value: then
 * nothing was changed, or it was changed back. systemd may write its own values again when the unit changes later.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened
 */
export function applyChanges(changes: LinuxResources, options: ApplyOptions): readonly string[] {
  const cgroup = new ContainerCgroup(options.mounts, options.cgroupsPath);
  try {
    const { writes, impossible } = planChanges(changes, cgroup, options);
    return impossible.length > 0 ? impossible : commitWrites(writes, cgroup);
  } finally {
    cgroup.close();
  }
}

function commitWrites(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): readonly string[] {
  const before = writes.map((write) => ({ ...write, text: presentText(cgroup, write) }));
  const faults = writeAll(writes, cgroup);
  return faults.length === 0 ? [] : [...faults, ...undo(before, cgroup).map((fault) => `not undone: ${fault}`)];
}

/** Writes what was there before, the last change first; gives what cannot be had again. */
function undo(before: readonly (CgroupWrite & { readonly text: string })[], cgroup: ContainerCgroup): string[] {
  const isChanged = (write: (typeof before)[number]) => presentText(cgroup, write) !== write.text;
  const changed = before.filter(isChanged).reverse();
  const faults = writeAll(
    changed.map((write) => ({ ...write, value: undoingText(write.file, write.text, write.value) })),
    cgroup,
  );
  if (faults.length > 0) return faults;
  // A file may keep a line of its own for each device, or round.
  return changed.filter(isChanged).map(({ controller, file, text, ...write }) => {
    const now = presentText(cgroup, { controller, file, ...write });
    return `${cgroup.nameOf(controller, file)} is ${JSON.stringify(now)} now, and was ${JSON.stringify(text)}`;
  });
}

/**
 * The kernel checks some values against others: a quota against the period, memory against memory+swap, both against the
 * parent's. What it refuses is tried again while other writes still succeed, and so the order does not matter.
 */
function writeAll(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): string[] {
  let pending = writes;
  for (;;) {
    const refused: { write: CgroupWrite; fault: string }[] = [];
    for (const write of pending) {
      try {
        cgroup.write(write.controller, write.file, write.value);
      } catch (thrown) {
        refused.push({ write, fault: writeFault(cgroup.nameOf(write.controller, write.file), write.value, thrown) });
      }
    }
    if (refused.length === 0 || refused.length === pending.length) return refused.map(({ fault }) => fault);
    pending = refused.map(({ write }) => write);
  }
}

/** What a file holds that can be written to it. */
function presentText(cgroup: ContainerCgroup, { controller, file }: CgroupWrite): string {
  const text = cgroup.read(controller, file) ?? "";
  return file === "memory.oom_control" ? (/^oom_kill_disable (\d)/m.exec(text)?.[1] ?? "0") : text;
}

/** One value for one file of a container's real cgroup. */
interface CgroupWrite {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

interface CgroupPlan {
  readonly writes: readonly CgroupWrite[];
  /** Fields that no file here carries, and why. */
  readonly impossible: readonly string[];
}

interface PlanOptions {
  readonly machine: Machine;
  /** cpu.shares of the container's spec: with its present weight it tells by which form its runtime converts. */
  readonly specShares?: bigint | undefined;
}

/** A write, or why there is none; undefined where there is nothing to write. */
type Planned = CgroupWrite | string | undefined;

/**
 * Says which files of a container's real cgroup the changes go to, v1 by v1's own names, v2 converted as runc converts. Reads
 * what it has to, and writes nothing.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened
 */
function planChanges(changes: LinuxResources, cgroup: ContainerCgroup, options: PlanOptions): CgroupPlan {
  const writes: CgroupWrite[] = [];
  const impossible: string[] = [];
  const add = (field: string, planned: Planned): void => {
    if (typeof planned === "string") impossible.push(`${field}: ${planned}`);
    else if (planned !== undefined) writes.push(planned);
  };
  for (const field of fieldFiles(options.machine)) {
    const asked = field.current(changes);
    if (asked === undefined || (field.field === "cpu.period" && isInCpuMax(changes, cgroup))) continue;
    const version = cgroup.versionOf(field.controller);
    if (version === undefined) add(field.field, `no cgroup file system has ${field.controller}`);
    else if (version === 1) add(field.field, checked(cgroup, v1Write(field, asked)));
    else add(field.field, v2Write(field, asked, { changes, cgroup, ...options }));
  }
  for (const [file, value] of Object.entries(changes.unified ?? {})) {
    const [controller = ""] = file.split(".");
    const write = { controller, file, value };
    const there = cgroup.versionOf(controller) === 2 && !file.includes("/");
    add(`unified.${file}`, there ? checked(cgroup, write) : "is for cgroup v2, which has no such file here");
  }
  for (const key of ["devices", "blockIO", "network", "rdma"] as const) {
    if (changes[key] !== undefined) add(key, "cannot be changed once the container exists");
  }
  for (const { pageSize } of changes.hugepageLimits ?? []) {
    if (options.machine.hugepages.every(({ name }) => name !== pageSize)) {
      add(`hugepageLimits.${pageSize}`, "the machine has no pages of this size");
    }
  }
  return { writes, impossible };
}

function v1Write({ controller, file }: FieldFile, asked: string): CgroupWrite {
  return { controller, file, value: file === "pids.max" && asked === "-1" ? "max" : asked };
}

interface Context extends PlanOptions {
  readonly changes: LinuxResources;
  readonly cgroup: ContainerCgroup;
}

/** On v2 quota and period are one file; the quota's turn writes both. */
function isInCpuMax(changes: LinuxResources, cgroup: ContainerCgroup): boolean {
  return changes.cpu?.quota !== undefined && changes.cpu.quota !== 0n && cgroup.versionOf("cpu") === 2;
}

function v2Write(source: FieldFile, asked: string, context: Context): Planned {
  const { controller } = source;
  const { cgroup, changes } = context;
  const write = (file: string, value: string): Planned => checked(cgroup, { controller, file, value });
  const limit = asked === "-1" ? "max" : asked;
  switch (source.file) {
    case "cpu.shares":
      return write("cpu.weight", `${toWeight(BigInt(asked), weightForm(context))}`);
    case "cpu.cfs_quota_us":
    case "cpu.cfs_period_us": {
      const [quota = "max", period = "100000"] = cgroup.read("cpu", "cpu.max")?.split(" ") ?? [];
      const own = changes.cpu?.period;
      return source.file === "cpu.cfs_quota_us"
        ? write("cpu.max", `${BigInt(asked) < 0n ? "max" : asked} ${own || period}`)
        : write("cpu.max", `${quota} ${asked}`);
    }
    case "cpuset.cpus":
    case "cpuset.mems":
      return write(source.file, asked);
    case "memory.limit_in_bytes":
      return write("memory.max", limit);
    case "memory.soft_limit_in_bytes":
      return write("memory.low", limit);
    case "memory.memsw.limit_in_bytes":
      return swapMax(asked, context, write);
    case "memory.oom_control":
      return asked === "0" ? undefined : "cgroup v2 cannot switch the OOM killer off";
    case "memory.use_hierarchy":
      return asked === "1" ? undefined : "cgroup v2 is always hierarchical";
    case "pids.max":
      return write("pids.max", limit);
    default:
      return controller === "hugetlb"
        ? write(source.file.replace(/limit_in_bytes$/, "max"), asked)
        : `cgroup v2 has no file for ${source.file}`;
  }
}

/** compat: runc writes memory+swap minus memory, because v2 counts swap alone; -1 stays no limit. */
function swapMax(
  asked: string,
  { changes, cgroup }: Context,
  write: (file: string, value: string) => Planned,
): Planned {
  const present = cgroup.read("memory", "memory.max") ?? "max";
  const memory = changes.memory?.limit?.toString() ?? present;
  const max = (value: string): Planned =>
    // compat: without swap accounting there is no such file, and runc takes no swap, or all there is, for done (fs2/memory.go).
    (value === "max" || value === "0") && isWithoutSwap(cgroup) ? undefined : write("memory.swap.max", value);
  if (asked === "-1") return max("max");
  if (memory === "-1" || memory === "max") return max(asked);
  const swap = BigInt(asked) - BigInt(memory);
  return swap < 0n ? `${asked} is less than the memory limit ${memory}, which it includes` : max(`${swap}`);
}

function isWithoutSwap(cgroup: ContainerCgroup): boolean {
  return cgroup.exists("memory", "memory.max") && !cgroup.exists("memory", "memory.swap.max");
}

/** Where neither form or both make the present weight, the newer one. */
function weightForm({ cgroup, specShares }: Context): WeightForm {
  const present = cgroup.read("cpu", "cpu.weight")?.trim() ?? "";
  if (specShares === undefined || !/^\d+$/.test(present)) return "quadratic";
  return findWeightForm(specShares, BigInt(present)) ?? "quadratic";
}

function checked(cgroup: ContainerCgroup, write: CgroupWrite): Planned {
  if (cgroup.exists(write.controller, write.file)) return write;
  return `${cgroup.nameOf(write.controller, write.file)} does not exist`;
}

/**
 * What a line is set to that a device has none of by itself: the file shows the devices that were set alone, and to write its
 * former text again removes no line (Documentation/admin-guide/cgroup-v2.rst, block/blk-throttle.c, blk-iolatency.c).
 */
const unsetLines: Readonly<Record<string, string>> = {
  "io.max": "rbps=max wbps=max riops=max wiops=max",
  "io.latency": "target=0",
  "io.weight": "default",
  "io.bfq.weight": "default",
};

/** What to write to a file to have its former text again, after another one was written. */
export function undoingText(file: string, former: string, written: string): string {
  const unset = unsetLines[file];
  // A write of no bytes is none; a cpuset is emptied by a newline.
  if (unset === undefined) return former === "" ? "\n" : former;
  const devicesOf = (text: string) => text.split("\n").flatMap((line) => /^\s*(\d+:\d+)(?=\s)/.exec(line)?.[1] ?? []);
  const known = new Set(devicesOf(former));
  const added = [...new Set(devicesOf(written))].filter((device) => !known.has(device));
  return [...former.split("\n").filter((line) => line !== ""), ...added.map((device) => `${device} ${unset}`)].join(
    "\n",
  );
}
