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
  /** Absent: what only some runtimes apply is let through. */
  readonly runtime?: { readonly name: string; readonly version: Version | undefined };
  readonly cgroupVersion: 1 | 2 | "unknown";
  readonly containerId: string;
  /** The path that the plugin was shown in place of the container's own, in a captured view. */
  readonly shownCgroupsPath?: string;
  /** The `results` of the plugin's settings. */
  readonly rename: Readonly<Record<string, string>>;
  readonly annotate: boolean;
  readonly keep?: boolean;
  /** `lostWrites`, as it holds for this event. */
  readonly lostWrites?: "fail" | "warn";
  /** The bytes that the answer has left: `answerBytes` less the `bytes` of the chain's changes so far. */
  readonly bytesLeft?: number;
}

export interface Setting {
  /** The adjust key without its prefix and without a removal's `-`; NRI's own name where there is no key. */
  readonly field: string;
  readonly value: string;
  /** Another container, which is updated. */
  readonly container?: string | undefined;
  readonly kept?: boolean;
  /** The field that is set, or its entry or element of a name, which may have a removal's `-`. */
  readonly of: Field;
  readonly name: string;
  readonly plain: Plain;
}

/** The settings, in the places where the answer or the cgroup takes them. */
export interface Built {
  readonly adjust?: ContainerAdjustment;
  /** Of other containers, and in phase update of the container itself. */
  readonly updates: readonly ContainerUpdate[];
  readonly evict?: readonly ContainerEviction[] | undefined;
  /** Writes to the container's real cgroup before it starts (phase start). */
  readonly own?: oci.LinuxResources;
}

export interface Change extends Built {
  readonly plugin: string;
  /** Writes of a captured plugin to files of the real cgroup v1 that no field has (phase start). */
  readonly files?: readonly CgroupWrite[];
  readonly fields: readonly string[];
  /** About what it takes of the answer. */
  readonly bytes: number;
  /** Changes that were left out, for the log: never a field that the plugin asked for itself. */
  readonly notes: readonly Note[];
  readonly settings: readonly Setting[];
}

export type Note = { readonly level: "debug" | "warn"; readonly text: string };

/** One bad value takes the whole result with it. */
export type ParsedAdjustment =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly error: string };
