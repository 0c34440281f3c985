import { BridgeError } from "../base/errors.js";
import type { LinuxResources } from "../v01/resources.js";
import type { CgroupWrite, ContainerCgroup } from "./container-cgroup.js";
import { hierarchies } from "./controllers.js";
import { type Converted, fateOf, fieldFiles, type V1File } from "./fields.js";
import type { Machine } from "./machine.js";
import { v1Files } from "./v1-files.js";

/**
 * What a container's real cgroup says, v1 or v2, over what its spec says: the seed of a view in phase start.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened, or is in no hierarchy
 */
export function readResources(cgroup: ContainerCgroup, spec: LinuxResources, machine: Machine): LinuxResources {
  const resources: LinuxResources = { ...spec };
  let found = false;
  for (const field of fieldFiles(machine)) {
    const value = readField(cgroup, field, resources);
    if (value === undefined) continue;
    found = true;
    field.assign(resources, value);
  }
  if (!found) throw new BridgeError("ADJUSTMENT", `no hierarchy here has the cgroup ${cgroup.path}`);
  for (const file of cgroup.versionOf("io") === 2 ? ["io.max", "io.weight"] : []) {
    const text = cgroup.read("io", file);
    if (text !== undefined) resources.unified = { ...resources.unified, [file]: text };
  }
  return resources;
}

function readField(cgroup: ContainerCgroup, field: V1File, resources: LinuxResources): string | undefined {
  const { controller, file, v2 } = field;
  const version = cgroup.versionOf(controller);
  const text =
    version === 2
      ? v2?.get((name) => cgroup.read(controller, name), resources)
      : version && cgroup.read(controller, file);
  if (text === undefined) return undefined;
  // memory.oom_control has keys; everything else is one value.
  const value = /^oom_kill_disable (\d)$/m.exec(text)?.[1] ?? text.trim();
  const parsed = field.parse(value);
  const known = !parsed.ok && value === "max" ? field.parse("-1") : parsed;
  return known.ok ? known.value : undefined;
}

/** By `<controller>/<file>`: what the files of a real cgroup v1 say that are written as they are in phase start. */
export function readV1Files(cgroup: ContainerCgroup, machine: Machine): ReadonlyMap<string, string> {
  const files = hierarchies.flatMap(({ controllers }) => v1Files(controllers, machine));
  return new Map(
    files.flatMap((v1File): [string, string][] => {
      const { controller, file } = v1File;
      const isWritten = fateOf(v1File, { phase: "start", version: 1 }, true) === "file";
      const text = isWritten && cgroup.versionOf(controller) === 1 ? cgroup.read(controller, file) : undefined;
      return text === undefined ? [] : [[`${controller}/${file}`, text.trim()]];
    }),
  );
}

/**
 * Applies changes to a container's real cgroup, whole or not at all, v1 by v1's own names, v2 converted as runc converts. Gives
 * what cannot be had, with the file and the value: then nothing was changed, or it was changed back. systemd may write its own
 * values again when the unit changes later.
 * @param files texts for files of cgroup v1, in this order
 * @param specShares cpu.shares of the container's spec: with its present weight it tells by which form its runtime converts
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened
 */
export function applyChanges(
  changes: LinuxResources,
  files: readonly CgroupWrite[],
  cgroup: ContainerCgroup,
  machine: Machine,
  specShares?: bigint,
): readonly string[] {
  const writes: CgroupWrite[] = [];
  const impossible: string[] = [];
  const add = (field: string, controller: string, converted: Converted): void => {
    if (typeof converted === "string") impossible.push(`${field}: ${converted}`);
    else if (converted !== undefined && cgroup.read(controller, converted.file) === undefined)
      impossible.push(`${field}: ${cgroup.nameOf(controller, converted.file)} does not exist`);
    else if (converted !== undefined) writes.push({ controller, ...converted });
  };
  for (const { controller, file, field, v2, current } of fieldFiles(machine)) {
    const asked = current(changes);
    const version = cgroup.versionOf(controller);
    const read = (name: string) => cgroup.read(controller, name);
    if (asked === undefined) continue;
    if (version === undefined) add(field, controller, `no cgroup file system has ${controller}`);
    else if (version === 1)
      add(field, controller, { file, value: file === "pids.max" && asked === "-1" ? "max" : asked });
    else add(field, controller, v2 ? v2.set(asked, read, changes, specShares) : `cgroup v2 has no file for ${file}`);
  }
  for (const [file, value] of Object.entries(changes.unified ?? {})) {
    const [controller = ""] = file.split(".");
    const there = cgroup.versionOf(controller) === 2 && !file.includes("/");
    add(`unified.${file}`, controller, there ? { file, value } : "is for cgroup v2, which has no such file here");
  }
  for (const { pageSize } of changes.hugepageLimits ?? []) {
    if (machine.hugepages.some(({ name }) => name === pageSize)) continue;
    impossible.push(`hugepageLimits.${pageSize}: the machine has no pages of this size`);
  }
  return impossible.length > 0 ? impossible : commitWrites([...writes, ...files], cgroup);
}

function commitWrites(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): readonly string[] {
  const settings = writes.filter(({ resets }) => !resets);
  const before = settings.map((write) => ({ ...write, text: presentText(cgroup, write) }));
  const faults = writeAll(writes, cgroup);
  if (faults.length === 0) return [];
  // The last change first.
  const changed = before.filter((write) => presentText(cgroup, write) !== write.text).reverse();
  const undone = writeAll(changed.flatMap(undoing), cgroup);
  if (undone.length > 0) return [...faults, ...undone.map((fault) => `not undone: ${fault}`)];
  // A file may keep a line of its own for each device, or round.
  const left = changed.map((write) => ({ ...write, now: presentText(cgroup, write) }));
  const rest = left
    .filter(({ now, text }) => now !== text)
    .map(({ controller, file, now, text }) => {
      const name = cgroup.nameOf(controller, file);
      return `not undone: ${name} is ${JSON.stringify(now)} now, and was ${JSON.stringify(text)}`;
    });
  return [...faults, ...rest];
}

function undoing({ text, ...write }: CgroupWrite & { readonly text: string }): CgroupWrite[] {
  if (write.controller !== "devices") return [{ ...write, value: undoingText(write.file, text, write.value) }];
  return [
    { ...write, file: "devices.deny", value: "a" },
    { ...write, file: "devices.allow", value: text },
  ];
}

/**
 * The kernel checks some values against others: a quota against the period, memory against memory+swap, both against the
 * parent's. What it refuses is tried again while other writes still succeed, and so the order does not matter.
 */
function writeAll(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): string[] {
  const refused = writes.map((write) => ({ write, fault: cgroup.write(write) })).filter(({ fault }) => fault !== null);
  if (refused.length === 0 || refused.length === writes.length) return refused.map(({ fault }) => `${fault}`);
  return writeAll(
    refused.map(({ write }) => write),
    cgroup,
  );
}

/** What a file holds that can be written to it; of device rules, which cannot be read, their list. */
function presentText(cgroup: ContainerCgroup, { controller, file }: CgroupWrite): string {
  const text = cgroup.read(controller, controller === "devices" ? "devices.list" : file) ?? "";
  return file === "memory.oom_control" ? (/^oom_kill_disable (\d)/m.exec(text)?.[1] ?? "0") : text;
}

/**
 * What a line is set to that a device has none of by itself: the file shows the devices that were set alone, and to write its
 * former text again removes no line (Documentation/admin-guide/cgroup-v2.rst, block/blk-throttle.c, blk-iolatency.c).
 */
const unsetLines: readonly (readonly [file: RegExp, line: string])[] = [
  [/^io\.max$/, "rbps=max wbps=max riops=max wiops=max"],
  [/^io\.latency$/, "target=0"],
  [/^io\.(bfq\.)?weight$|^blkio\.bfq\.weight_device$/, "default"],
  [/^blkio\..*_device$/, "0"],
];

/** What to write to a file to have its former text again, after another one was written. */
export function undoingText(file: string, former: string, written: string): string {
  const unset = unsetLines.find(([name]) => name.test(file))?.[1];
  // A write of no bytes is none; a cpuset is emptied by a newline.
  if (unset === undefined) return former === "" ? "\n" : former;
  const devicesOf = (text: string) => text.split("\n").flatMap((line) => /^\s*(\d+:\d+)(?=\s)/.exec(line)?.[1] ?? []);
  const known = new Set(devicesOf(former));
  const added = [...new Set(devicesOf(written))].filter((device) => !known.has(device));
  return [...former.split("\n").filter((line) => line !== ""), ...added.map((device) => `${device} ${unset}`)].join(
    "\n",
  );
}
