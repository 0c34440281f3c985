import type { CgroupWrite } from "../cgroup/container-cgroup.js";
import type { ContainerAdjustment, ContainerUpdate, LinuxResources } from "../nri/types.js";
import type { NriVersion, Version } from "../nri/versions.js";
import type * as oci from "../v01/resources.js";

/** When a plugin ran, as far as it decides what its result can change. */
export type Phase = "create" | "start" | "update" | "delete";

/** What decides whether a key of a result can take effect. */
export interface AdjustmentContext {
  /** The plugin's type, as conf.json names it. */
  readonly plugin: string;
  readonly phase: Phase;
  readonly nri: NriVersion;
  /** Absent: what only some runtimes apply is let through. */
  readonly runtime?: { readonly name: string; readonly version: Version | undefined };
  readonly cgroupVersion: 1 | 2 | "unknown";
  /** The container of the event. */
  readonly containerId: string;
  /** The path that the plugin was shown in place of the container's own, in a captured view. */
  readonly shownCgroupsPath?: string;
  /** `results.rename`: metadata key to adjust key, without its prefix. */
  readonly rename: Readonly<Record<string, string>>;
  /** `results.annotate`: all metadata become annotations too. */
  readonly annotate: boolean;
  /** `lostWrites`, as it holds for this event. */
  readonly lostWrites?: "fail" | "warn";
  /** What the answer can still hold: `answerBytes` less the `bytes` of the chain's changes so far. */
  readonly bytesLeft?: number;
}

/** One field that a result sets. Its name is the adjust key without the prefix, and without a removal's `-`. */
export interface Setting {
  readonly field: string;
  /** The value as the plugin wrote it, for logs and to tell whether two plugins ask for the same. */
  readonly value: string;
  /** Absent: the container of the event. */
  readonly container?: string;
  readonly write: Write;
}

/** How a setting gets into an answer: into the adjustment, or into resources, which an update holds too. */
export type Write =
  | { readonly into: "adjustment"; apply(draft: AdjustmentDraft): void }
  | { readonly into: "resources"; apply(draft: LinuxResources): void };

/** An adjustment without its resources. */
export type AdjustmentDraft = ContainerAdjustment;

/** What a result asks for, whole. */
export interface Change {
  readonly plugin: string;
  /** For the answer to CreateContainer; absent when nothing is to be adjusted. */
  readonly adjust?: ContainerAdjustment;
  /** Of other containers, and in phase update of the container itself. */
  readonly updates: readonly ContainerUpdate[];
  /** What is to be written to the container's real cgroup before it starts (phase start). */
  readonly own?: oci.LinuxResources;
  /** What a captured plugin wrote to files of the real cgroup v1 that no field has (phase start). */
  readonly files?: readonly CgroupWrite[];
  /** The fields that it sets: adjust keys without their prefix. */
  readonly fields: readonly string[];
  /** About what it takes of the answer. */
  readonly bytes: number;
  /** What was left out, for the log: never a key that the plugin asked for as `adjust`. */
  readonly notes: readonly Note[];
  /** For `mergeChanges`. */
  readonly settings: readonly Setting[];
}

export interface Note {
  readonly level: "debug" | "warn";
  readonly text: string;
}

/** A change, or why there is none: one bad value takes the whole result with it. */
export type ParsedAdjustment =
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly error: string };
