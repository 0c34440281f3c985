import type { LinuxResources } from "../oci/resources.js";
import { ContainerCgroup, writeFault } from "./container-cgroup.js";
import type { CgroupMounts } from "./mounts.js";
import { type CgroupPlan, type CgroupWrite, type PlanOptions, planChanges } from "./plan.js";
import { undoingText } from "./undoing-text.js";

export interface ApplyOptions extends PlanOptions {
  readonly mounts: CgroupMounts;
  readonly cgroupsPath: string;
}

export type Applied =
  | { readonly ok: true; readonly writes: readonly CgroupWrite[] }
  | {
      readonly ok: false;
      /** What cannot be had, with the file and the value; nothing was changed, or it was changed back. */
      readonly errors: readonly string[];
    };

/**
 * Applies changes to a container's real cgroup, whole or not at all. systemd may write its own values again when the unit
 * changes later.
 * @throws BridgeError ADJUSTMENT when the cgroup cannot be opened
 */
export function applyChanges(changes: LinuxResources, options: ApplyOptions): Applied {
  const cgroup = new ContainerCgroup(options.mounts, options.cgroupsPath);
  try {
    const { writes, impossible }: CgroupPlan = planChanges(changes, cgroup, options);
    if (impossible.length > 0) {
      return { ok: false, errors: impossible.map(({ field, reason }) => `${field}: ${reason}`) };
    }
    return commitWrites(writes, cgroup);
  } finally {
    cgroup.close();
  }
}

function commitWrites(writes: readonly CgroupWrite[], cgroup: ContainerCgroup): Applied {
  const before = writes.map((write) => ({ ...write, text: presentText(cgroup, write) }));
  const faults = writeAll(writes, cgroup);
  if (faults.length === 0) return { ok: true, writes };
  return { ok: false, errors: [...faults, ...undo(before, cgroup).map((fault) => `not undone: ${fault}`)] };
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
