import type { CgroupWrite } from "../cgroup/container-cgroup.js";
import type { Plain } from "../nri/json.js";
import type { ContainerAdjustment, ContainerEviction, ContainerUpdate } from "../nri/types.js";
import type { NriVersion, Version } from "../nri/versions.js";
import type * as oci from "../v01/resources.js";
import type { Field } from "./fields.js";

export type Phase = "create" | "start" | "update" | "delete";

export interface AdjustmentContext {
  readonly plugin: string;
  readonly phase: Phase;
  readonly nri: NriVersion;
  /** Absent if the bridge does not know the runtime: it then accepts fields that only some runtimes apply. */
  readonly runtime?: { readonly name: string; readonly version: Version | undefined };
  readonly cgroupVersion: 1 | 2 | "unknown";
  readonly containerId: string;
  /** The cgroupsPath that the bridge showed the plugin in a captured view, instead of the container's own cgroupsPath. */
  readonly shownCgroupsPath?: string;
  /** `results.rename` of the plugin's configuration; the next field is `results.annotate`. */
  readonly rename: Readonly<Record<string, string>>;
  readonly annotate: boolean;
  readonly keep?: boolean;
  /** The configuration's `lostWrites` for this event: whether a captured cgroup write without effect fails or warns. */
  readonly lostWrites?: "fail" | "warn";
  /** The bytes that are left in the answer: `answerBytes` less the `bytes` of the changes of the chain so far. */
  readonly bytesLeft?: number;
}

export interface Setting {
  /** The adjust key without its prefix and without the `-` of a removal; NRI's own name if the field has no adjust key. */
  readonly field: string;
  readonly value: string;
  /** The id of another container, which the setting updates; absent for the event's own container. */
  readonly container?: string | undefined;
  readonly kept?: boolean;
  /** The field. `name` is the entry or element of the field that the setting sets, with the `-` of a removal, or empty. */
  readonly of: Field;
  readonly name: string;
  readonly plain: Plain;
}

/** The settings, in the places where the answer to the runtime or the container's real cgroup takes them. */
export interface Built {
  readonly adjust?: ContainerAdjustment;
  /** Updates of other containers, and in phase update also of the event's own container. */
  readonly updates: readonly ContainerUpdate[];
  readonly evict?: readonly ContainerEviction[] | undefined;
  /** Writes to the container's real cgroup before it starts (phase start). */
  readonly own?: oci.LinuxResources;
}

export interface Change extends Built {
  readonly plugin: string;
  /** Writes of a captured plugin to cgroup v1 files that no field stands for, for the container's real cgroup (phase start). */
  readonly files?: readonly CgroupWrite[];
  readonly fields: readonly string[];
  /** An estimate of the bytes that the change takes in the answer to the runtime. */
  readonly bytes: number;
  /** Notes for the log, most of them about changes that the bridge left out. */
  readonly notes: readonly Note[];
  readonly settings: readonly Setting[];
}

export type Note = { readonly level: "debug" | "warn"; readonly text: string };

/** The change that a plugin's result asks for, or an error: one bad value voids the whole result. */
export type ParsedAdjustment =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly error: string };
