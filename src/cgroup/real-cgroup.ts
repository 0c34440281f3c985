import { BridgeError } from "../base/errors.js";
import type { LinuxResources } from "../v01/resources.js";
import type { CgroupWrite, ContainerCgroup } from "./container-cgroup.js";
import { type Converted, fieldFiles } from "./fields.js";
import type { Machine } from "./machine.js";
import { v1Files } from "./v1-files.js";

/**
 * Reads the values of a container's real cgroup, keyed by cgroup v1's `<controller>/<file>`.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened, or no hierarchy has it
 */
export function readFiles(cgroup: ContainerCgroup, spec: LinuxResources, machine: Machine): Map<string, string> {
  const found = new Map<string, string>();
  const ofIo = ["io.max", "io.weight"].map((file) => [file, cgroup.read("io", file) ?? ""]);
  for (const { controller, file, kind, v2, current } of v1Files(machine).map((one) => one.file)) {
    if (kind === "process" || kind === "read") continue;
    const version = cgroup.versionOf(controller);
    const read = (name: string) => cgroup.read(controller, name);
    const text = version === 1 ? read(file) : (v2?.get(read, spec) ?? current({ unified: Object.fromEntries(ofIo) }));
    // memory.oom_control has several keys, of which oom_kill_disable is the value.
    if (text !== undefined)
      found.set(`${controller}/${file}`, /^oom_kill_disable (\d)$/m.exec(text)?.[1] ?? text.trim());
  }
  if (found.size === 0)
    throw new BridgeError("ADJUSTMENT", `no mounted cgroup hierarchy has the cgroup ${cgroup.paths.join(" or ")}`);
  return found;
}

/**
 * Applies changes to a container's real cgroup: all of them or none. For cgroup v2 the bridge converts values as runc does. Returns
 * a text for each change that the bridge cannot apply; an empty list is a success.
 * @param specShares cpu.shares of the container's spec: with the present weight they show how the runtime converts shares
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
  const add = (field: string | undefined, controller: string, converted: Converted): void => {
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
    if (version === undefined) add(field, controller, `no mounted cgroup file system has the controller ${controller}`);
    else if (version === 1)
      add(field, controller, { file, value: file === "pids.max" && asked === "-1" ? "max" : asked });
    else add(field, controller, v2 ? v2.set(asked, read, changes, specShares) : `cgroup v2 has no file for ${file}`);
  }
  for (const [file, value] of Object.entries(changes.unified ?? {})) {
    const [controller = ""] = file.split(".");
    const there = cgroup.versionOf(controller) === 2 && !file.includes("/");
    add(`unified.${file}`, controller, there ? { file, value } : "is a cgroup v2 file that this node does not have");
  }
  const isHere = (size: string) => machine.hugepages.some(({ name }) => name === size);
  for (const { pageSize } of changes.hugepageLimits ?? [])
    if (!isHere(pageSize)) impossible.push(`hugepageLimits.${pageSize}: the machine has no pages of this size`);
  return impossible.length > 0 ? impossible : commitWrites([...writes, ...files], cgroup);
}

function commitWrites(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): readonly string[] {
  const before = writes.map((write) => ({ ...write, text: presentText(cgroup, write) }));
  const faults = writeAll(writes, cgroup);
  if (faults.length === 0) return [];
  // The bridge undoes the last change first.
  const changed = before.filter((write) => presentText(cgroup, write) !== write.text).reverse();
  const left = writeAll(changed.flatMap(undoing), cgroup);
  return [...faults, ...left.map((fault) => `the bridge could not undo a change: ${fault}`)];
}

function undoing({ text, ...write }: CgroupWrite & { readonly text: string }): CgroupWrite[] {
  if (write.controller !== "devices") return [{ ...write, value: undoingText(write.file, text, write.value) }];
  return [
    { ...write, file: "devices.deny", value: "a" },
    { ...write, file: "devices.allow", value: text },
  ];
}

/**
 * Makes the writes and returns the faults of those that fail. The kernel checks some values against others, such as a quota against
 * the period, so the bridge tries a refused write again after the others.
 */
function writeAll(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): string[] {
  const refused = writes.map((write) => ({ write, fault: cgroup.write(write) })).filter(({ fault }) => fault !== null);
  if (refused.length === 0 || refused.length === writes.length) return refused.map(({ fault }) => `${fault}`);
  const again = refused.map(({ write }) => write);
  return writeAll(again, cgroup);
}

/**
 * The present text of a file, in the form in which the bridge can write it back. The files of device rules are write-only: for them
 * the text is that of devices.list.
 */
function presentText(cgroup: ContainerCgroup, { controller, file }: CgroupWrite): string {
  const text = cgroup.read(controller, controller === "devices" ? "devices.list" : file) ?? "";
  return file === "memory.oom_control" ? (/^oom_kill_disable (\d)/m.exec(text)?.[1] ?? "0") : text;
}

/**
 * For files with a line for each device: the text that removes a device's line. A write of the file's former text does not remove a
 * line (cgroup-v2.rst, block/blk-throttle.c, blk-iolatency.c).
 */
const unsetLines: readonly (readonly [file: RegExp, line: string])[] = [
  [/^io\.max$/, "rbps=max wbps=max riops=max wiops=max"],
  [/^io\.latency$/, "target=0"],
  [/^io\.(bfq\.)?weight$|^blkio\.bfq\.weight_device$/, "default"],
  [/^blkio\..*_device$/, "0"],
];

/** The text whose write restores a file's `former` text after a write of `written`. */
export function undoingText(file: string, former: string, written: string): string {
  const unset = unsetLines.find(([name]) => name.test(file))?.[1];
  // A write of no bytes does nothing; a newline empties a cpuset.
  if (unset === undefined) return former === "" ? "\n" : former;
  const devicesOf = (text: string) => [...text.matchAll(/^\s*(\d+:\d+)(?=\s)/gm)].map(([, device]) => device);
  const added = new Set(devicesOf(written));
  for (const device of devicesOf(former)) added.delete(device);
  const lines = former.split("\n").filter((line) => line !== "");
  return [...lines, ...[...added].map((device) => `${device} ${unset}`)].join("\n");
}
