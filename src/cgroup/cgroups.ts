import { existsSync, readFileSync } from "node:fs";
import { monotonicClock } from "../base/deadline.js";
import { attempt, BridgeError, errorText } from "../base/errors.js";
import type { LinuxResources } from "../v01/resources.js";
import { type CgroupMounts, type CgroupWrite, ContainerCgroup, parseCgroupMounts } from "./container-cgroup.js";
import type { Place } from "./fields.js";
import { type Machine, readMachine } from "./machine.js";
import type { Privilege } from "./privilege.js";
import { applyChanges, readFiles } from "./real-cgroup.js";
import type { View, Views } from "./view.js";

export interface CgroupOf {
  readonly cgroupsPath: string;
  readonly resources: LinuxResources | null;
  /** The pid of the container's process; 0 before the container has a process, and so a cgroup. */
  readonly pid: number;
}

interface ViewOf extends CgroupOf {
  /** Resources that replace the container's present ones: what the chain's plugins and an update ask for so far. */
  readonly asked: LinuxResources;
  readonly phase: Place["phase"];
}

export interface Cgroups {
  readonly version: Place["version"];
  /** Whether the bridge can make captured views on this machine. Never rejects. */
  privilege(): Promise<Privilege>;
  /**
   * Opens a private view of a container's cgroup. The view shows the real cgroup's values, or `resources` where the container has
   * no cgroup yet; `asked` replaces both.
   * @throws BridgeError CGROUP_VIEW when no view can be made, ADJUSTMENT when the cgroup cannot be found or opened
   */
  openView(of: ViewOf): Promise<View>;
  /** Makes the first view ahead of time, so that no event waits for a view. Never rejects. */
  warm(): Promise<void>;
  /**
   * Applies changes, and texts for files of cgroup v1, to a container's real cgroup: all of them or none. Returns null, or why the
   * bridge cannot apply them.
   */
  apply(changes: LinuxResources, files: readonly CgroupWrite[], of: CgroupOf): string | null;
  close(): Promise<void>;
}

/** @throws BridgeError CONFIG when the bridge cannot make captured views here, with what is missing and the remedy */
export async function requireCapture(cgroups: Cgroups): Promise<void> {
  const privilege = await cgroups.privilege();
  if (!privilege.ok) {
    const { reason, remedy } = privilege;
    throw new BridgeError("CONFIG", `cgroup: capture is configured, and ${reason}: ${remedy}`);
  }
}

/** The bridge repeats a failed or unproven check of its privilege after this time; it remembers a success for good. */
const askAgainMs = 2_000;

function nodeVersion(): Place["version"] {
  return existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1;
}

/** The cgroups of this machine. The bridge reads the mounts and the machine only when it first needs them. */
export function createNodeCgroups({
  check = async (): Promise<Privilege> => (await import("./privilege.js")).checkPrivilege(),
  clock = monotonicClock,
  version = nodeVersion(),
} = {}): Cgroups {
  let mounts: CgroupMounts | undefined;
  let machine: Machine | undefined;
  let known: { readonly privilege: Promise<Privilege>; until: number } | undefined;
  let views: Promise<Views> | undefined;
  let closed = false;
  const theMounts = () => (mounts ??= parseCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8")));
  const theMachine = () => (machine ??= readMachine());
  const theViews = () => (views ??= import("./view.js").then(({ Views }) => new Views(theMachine())));

  function thePrivilege(): Promise<Privilege> {
    if (known !== undefined && clock() < known.until) return known.privilege;
    const asked = { privilege: check(), until: Infinity };
    known = asked;
    void asked.privilege.then(({ ok, ...rest }) => {
      if (!ok || "unproven" in rest) asked.until = clock() + askAgainMs;
    });
    return asked.privilege;
  }

  function withCgroup<T>({ cgroupsPath, pid }: CgroupOf, use: (cgroup: ContainerCgroup) => T): T {
    const procCgroup = pid > 0 ? attempt(() => readFileSync(`/proc/${pid}/cgroup`, "utf8")) : undefined;
    const cgroup = new ContainerCgroup(theMounts(), cgroupsPath, procCgroup);
    try {
      return use(cgroup);
    } finally {
      cgroup.close();
    }
  }

  return {
    version,
    privilege: thePrivilege,
    async openView(of) {
      const { cgroupsPath, pid, phase, asked } = of;
      const spec = withoutUnset(of.resources ?? {});
      const files = pid > 0 ? withCgroup(of, (cgroup) => readFiles(cgroup, spec, theMachine())) : new Map();
      const found = await thePrivilege();
      if (!found.ok) throw new BridgeError("CGROUP_VIEW", `${found.reason}: ${found.remedy}`);
      const view = await (await theViews()).open({ cgroupsPath, spec, files, asked, pid, place: { phase, version } });
      known = { privilege: Promise.resolve({ ok: true }), until: Infinity };
      return view;
    },
    async warm() {
      const { ok } = await thePrivilege();
      // close() may have run meanwhile, and nothing would close a view that is made after it.
      if (ok && !closed) await (await theViews()).warm();
    },
    apply(changes, files, of) {
      try {
        const shares = of.resources?.cpu?.shares;
        const errors = withCgroup(of, (cgroup) => applyChanges(changes, files, cgroup, theMachine(), shares));
        return errors.length === 0 ? null : errors.join("; ");
      } catch (error) {
        return errorText(error);
      }
    },
    async close() {
      closed = true;
      await (await views)?.close();
    },
  };
}

/**
 * The cgroups for the replay of a recording, whose containers do not exist here. The bridge makes views, which touch no real
 * cgroup, and applies nothing.
 */
export function createRecordedCgroups(): Cgroups {
  const node = createNodeCgroups({ version: "unknown" });
  return { ...node, openView: (of) => node.openView({ ...of, pid: 0 }), apply: () => null };
}

/** Leaves out a spec's zeros. compat: runc takes 0 in these fields of a spec as unset. A 0 from a plugin is a value. */
export function withoutUnset({ cpu, memory, ...rest }: LinuxResources): LinuxResources {
  return {
    ...rest,
    ...(cpu === undefined ? {} : { cpu: withoutZeros(cpu) }),
    ...(memory === undefined ? {} : { memory: withoutZeros(memory) }),
  };
}

/** Leaves out the values that are 0, except a swappiness of 0, which is a value. */
function withoutZeros<T extends object>(values: T): Partial<T> {
  const set: Partial<T> = {};
  for (const key in values) if (values[key] !== 0n || key === "swappiness") set[key] = values[key];
  return set;
}
