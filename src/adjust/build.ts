import type { ContainerAdjustment, ContainerUpdate, LinuxResources } from "../nri/types.js";
import { toOciResources } from "../v01/oci.js";
import type * as oci from "../v01/resources.js";
import type { Phase, Setting } from "./types.js";

/** What settings come to, in the places where the answer or the cgroup takes them. */
export interface Built {
  readonly adjust?: ContainerAdjustment;
  readonly updates: readonly ContainerUpdate[];
  readonly own?: oci.LinuxResources;
}

/**
 * Builds the answer of a phase: in phase create an adjustment, in phase start what the real cgroup gets, in phase update
 * an update of the container itself; updates of other containers always ride along and may fail without a harm.
 */
export function buildAnswer(settings: readonly Setting[], phase: Phase, containerId: string): Built {
  const own = settings.filter(({ container }) => container === undefined);
  const resources = resourcesOf(own);
  const others = new Map<string, Setting[]>();
  for (const setting of settings) {
    if (setting.container === undefined) continue;
    const ofOne = others.get(setting.container);
    if (ofOne === undefined) others.set(setting.container, [setting]);
    else ofOne.push(setting);
  }
  const updates: ContainerUpdate[] = [...others].map(([id, ofOne]) => ({
    containerId: id,
    linux: { resources: resourcesOf(ofOne) ?? {} },
    ignoreFailure: true,
  }));
  if (phase === "start") return { updates, ...(resources === undefined ? {} : { own: toWritten(resources) }) };
  if (phase === "update") {
    // Last, as the runtime itself has it in what it hands on.
    if (resources !== undefined) updates.push({ containerId, linux: { resources } });
    return { updates };
  }
  const adjust: ContainerAdjustment = {};
  for (const { write } of own) if (write.into === "adjustment") write.apply(adjust);
  if (resources !== undefined) adjust.linux = { ...adjust.linux, resources };
  return { updates, ...(Object.keys(adjust).length === 0 ? {} : { adjust }) };
}

/** The resources that settings write, without what none of them names. */
function resourcesOf(settings: readonly Setting[]): Partial<LinuxResources> | undefined {
  const draft: LinuxResources = { hugepageLimits: [], unified: {}, devices: [] };
  let written = false;
  for (const { write } of settings) {
    if (write.into !== "resources") continue;
    write.apply(draft);
    written = true;
  }
  if (!written) return undefined;
  const { hugepageLimits, unified, devices, ...rest } = draft;
  return {
    ...rest,
    ...(hugepageLimits.length === 0 ? {} : { hugepageLimits }),
    ...(devices.length === 0 ? {} : { devices }),
    ...(Object.keys(unified).length === 0 ? {} : { unified }),
  };
}

/** What an answer asks of the container's own resources, in whichever of its places, as OCI has them. */
export function askedResources({ adjust, updates, own }: Built, containerId: string): oci.LinuxResources {
  const { linux } = adjust ?? updates.find((update) => update.containerId === containerId) ?? {};
  return own ?? toWritten(linux?.resources ?? {});
}

/** OCI's form of the same, in which an absent list of CPUs is no key at all. */
function toWritten(resources: Partial<LinuxResources>): oci.LinuxResources {
  const { cpu, ...rest } = toOciResources({ hugepageLimits: [], unified: {}, devices: [], ...resources }) ?? {};
  if (cpu === undefined) return rest;
  const { cpus, mems, ...numbers } = cpu;
  return { ...rest, cpu: { ...numbers, ...(cpus ? { cpus } : {}), ...(mems ? { mems } : {}) } };
}
