import type { RawJson } from "./gojson/raw.js";
import type { LinuxResources } from "./resources.js";

export type { RawJson };

/**
 * The state of a v0.1 request. containerd 1.6 sent create and delete; the type's other values come from the v0.1
 * client. A patched runtime's own states are any other text.
 */
export type State = "create" | "delete" | "update" | "pause" | "resume" | (string & {});

/** One entry of conf.json's `plugins`. */
export interface Plugin {
  readonly type: string;
  readonly conf?: RawJson;
}

/** conf.json: which plugins run, in this order. */
export interface ConfigList {
  readonly version: string;
  readonly plugins: readonly Plugin[];
}

/** The subset of the OCI spec that a legacy plugin sees. */
export interface Spec {
  readonly resources: LinuxResources | null;
  /** OCI namespace type to path; the path of a new namespace is "". */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly cgroupsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** The spec of a request. */
export interface RequestSpec extends Spec {
  /** Not of v0.1: of a pod sandbox whose resources are to change. */
  readonly overhead?: LinuxResources | null;
}

/** What a legacy plugin gets, but for what is its own (`conf`) and what the chain adds (`results`). */
export interface Request {
  readonly version: string;
  readonly state: State;
  readonly id: string;
  /** Equals `id` for a sandbox. */
  readonly sandboxID: string;
  /** 0 when there is no process yet: left out of the text. */
  readonly pid: number;
  readonly spec: RequestSpec;
  readonly labels: Readonly<Record<string, string>>;
  /** Not of v0.1: what `request: superset` adds. */
  readonly nri?: RawJson;
}

/** What a legacy plugin answered. */
export interface Result {
  readonly plugin: string;
  readonly version: string;
  readonly error: string;
  readonly metadata: Readonly<Record<string, string>>;
}
