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
  /** 0 before there is a process, and so a cgroup. */
  readonly pid: number;
}

interface ViewOf extends CgroupOf {
  /** Resources that replace those it has now: of the chain so far, and of an update. */
  readonly asked: LinuxResources;
  readonly phase: Place["phase"];
}

export interface Cgroups {
  readonly version: Place["version"];
  /** Never rejects. */
  privilege(): Promise<Privilege>;
  /** A private view of the cgroup, by its files or else the request, with `asked` over it. @throws BridgeError CGROUP_VIEW, ADJUSTMENT */
  openView(of: ViewOf): Promise<View>;
  /** Makes the first view ahead, so that no event waits for it. Never rejects. */
  warm(): Promise<void>;
  /** Applies changes, and texts for files of cgroup v1, to the real cgroup, whole or not at all; gives why that cannot be. */
  apply(changes: LinuxResources, files: readonly CgroupWrite[], of: CgroupOf): string | null;
  close(): Promise<void>;
}

/** @throws BridgeError CONFIG, where captured views cannot be made, with what is missing and the remedy */
export async function requireCapture(cgroups: Cgroups): Promise<void> {
  const privilege = await cgroups.privilege();
  if (!privilege.ok) {
    const { reason, remedy } = privilege;
    throw new BridgeError("CONFIG", `cgroup: capture is configured, and ${reason}: ${remedy}`);
  }
}

/** Only success is remembered for good. */
const askAgainMs = 2_000;

function nodeVersion(): Place["version"] {
  return existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1;
}

/** The cgroups of this machine. Costly work is done when it is first needed. */
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
      // The end may have come meanwhile: nothing would close what is made then.
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

/** The cgroups of a recording: there are none. Views touch nothing, and are made; what would be applied is not. */
export function createRecordedCgroups(): Cgroups {
  const node = createNodeCgroups({ version: "unknown" });
  return { ...node, openView: (of) => node.openView({ ...of, pid: 0 }), apply: () => null };
}

/** compat: runc takes 0 in these fields of a spec as unset. A plugin's own 0 is meant. */
export function withoutUnset({ cpu, memory, ...rest }: LinuxResources): LinuxResources {
  return {
    ...rest,
    ...(cpu === undefined ? {} : { cpu: withoutZeros(cpu) }),
    ...(memory === undefined ? {} : { memory: withoutZeros(memory) }),
  };
}

/** swappiness is set by 0 too. */
function withoutZeros<T extends object>(values: T): Partial<T> {
  const set: Partial<T> = {};
  for (const key in values) if (values[key] !== 0n || key === "swappiness") set[key] = values[key];
  return set;
}
