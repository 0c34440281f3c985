import { createContainerResponse } from "../nri/codec.js";
import { isMessage, type Message } from "../nri/json.js";
import type { ContainerUpdate } from "../nri/types.js";
import { toOciResources } from "../v01/oci.js";
import type * as oci from "../v01/resources.js";
import { Asks, write } from "./asks.js";
import { readKey } from "./keys.js";
import type { Built, Change, Phase, Setting } from "./types.js";

export interface Event {
  readonly phase: Phase;
  readonly containerId: string;
  /**
   * Adjust keys and values that plugins set at the container's create or start. The bridge repeats them in its answers to the
   * container's updates.
   */
  readonly kept?: Readonly<Record<string, string>> | undefined;
}

/**
 * Builds the bridge's answer to the runtime: an adjustment in phase create, writes to the container's real cgroup in phase start,
 * updates in the other phases. The runtime ignores a failed update of another container, unless the plugin sets `ignoreFailure` to
 * false.
 */
export function buildAnswer(settings: Iterable<Setting>, { phase, containerId }: Event): Built {
  const response: Message = {};
  const others = new Map<string, Message>();
  for (const setting of settings) {
    const { container } = setting;
    const root =
      container === undefined ? response : (others.get(container) ?? { containerId: container, ignoreFailure: true });
    if (container !== undefined) others.set(container, root);
    write(setting, root);
  }
  const update = [...others.values()].filter(({ linux }) => linux !== undefined);
  const whole: unknown = { ...response, update };
  if (!isMessage("CreateContainerResponse", whole)) throw new Error("an answer that is not as the schema has it");
  const { adjust, update: updates = [], ...rest } = whole;
  const resources = adjust?.linux?.resources;
  if (phase === "create") return { ...rest, updates, ...(adjust === undefined ? {} : { adjust }) };
  if (resources === undefined) return { ...rest, updates };
  if (phase === "start") return { ...rest, updates, own: toWritten({ containerId, linux: { resources } }) };
  // The container's own update comes last, as in the list of updates that NRI hands to the runtime.
  return { ...rest, updates: [...updates, { containerId, linux: { resources } }] };
}

/** The resources that an answer asks for the event's own container, in OCI's form: from `own`, `adjust` or its update. */
export function askedResources({ adjust, updates, own }: Built, containerId: string): oci.LinuxResources {
  const { linux } = adjust ?? updates.find((update) => update.containerId === containerId) ?? {};
  const { resources } = linux ?? {};
  return own ?? (resources === undefined ? {} : toWritten({ containerId, linux: { resources } }));
}

/** Converts an update's resources to OCI's form, in which an absent list of CPUs or memory nodes is an absent key. */
function toWritten(asked: ContainerUpdate): oci.LinuxResources {
  // Encoding and decoding the message turns absent lists and maps into empty ones.
  const [update] = createContainerResponse.decode(createContainerResponse.encode({ update: [asked] })).update;
  const { cpu, ...rest } = toOciResources(update?.linux?.resources) ?? {};
  if (cpu === undefined) return rest;
  const { cpus, mems, ...numbers } = cpu;
  return { ...rest, cpu: { ...numbers, ...(cpus ? { cpus } : {}), ...(mems ? { mems } : {}) } };
}

/** A field that plugins of a chain set to different values: the first plugin that set it, and the last one, which wins. */
export type Conflict = { readonly field: string; readonly first: string; readonly last: string };

export interface MergedChange extends Built {
  readonly fields: readonly string[];
  readonly conflicts: readonly Conflict[];
  readonly kept?: Event["kept"];
}

/**
 * Merges the changes of a chain's plugins. The last plugin that sets a field wins, also over the kept value of the field. Hooks and
 * device rules add up, as in NRI's collection of several plugins' answers (pkg/adaptation/result.go).
 */
export function mergeChanges(changes: readonly Pick<Change, "plugin" | "settings">[], event: Event): MergedChange {
  const merged = new Map(keptSettings(event));
  const owners = new Map<string, { readonly first: string; readonly last: string; readonly isDisputed: boolean }>();
  for (const { plugin, settings } of changes) {
    for (const setting of settings) {
      const { field, value, of } = setting;
      const { adds } = of.rule;
      const { first = plugin, isDisputed = false } = owners.get(field) ?? {};
      const differs = owners.has(field) && merged.get(field)?.value !== value;
      if (!adds) owners.set(field, { first, last: plugin, isDisputed: isDisputed || differs });
      merged.set(adds ? `${field} ${merged.size}` : field, setting);
    }
  }
  const conflicts = [...owners].flatMap(([field, { first, last, isDisputed }]) =>
    isDisputed && first !== last ? [{ field, first, last }] : [],
  );
  const settings = [...merged.values()];
  const kept = settings.flatMap((setting) => (setting.kept ? [[setting.field, setting.value]] : []));
  return {
    ...buildAnswer(settings, event),
    fields: [...new Set(settings.map(({ field }) => field))],
    conflicts,
    ...(kept.length === 0 ? {} : { kept: Object.fromEntries(kept) }),
  };
}

/** The container's kept settings, for phase update. The bridge checked their values when the plugins set them. */
function keptSettings({ kept = {}, containerId }: Event): ReadonlyMap<string, Setting> {
  const nri = { major: 0, minor: 0, patch: 0, preRelease: false, source: "guessed" } as const;
  const where = { nri, cgroupVersion: "unknown", containerId, rename: {}, annotate: false } as const;
  const asks = new Asks({ plugin: "", phase: "update", ...where });
  for (const [key, text] of Object.entries(kept)) readKey(key, { label: key, text }, asks);
  return asks.settings;
}
