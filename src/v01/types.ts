import type { RawJson } from "./gojson/raw.js";
import type { LinuxResources } from "./resources.js";

export type { RawJson };

/** containerd 1.6 sent create and delete; the others come from the v0.1 client. A patched runtime's states are any other text. */
export type State = "create" | "delete" | "update" | "pause" | "resume" | (string & {});

export interface Plugin {
  readonly type: string;
  readonly conf?: RawJson;
}

/** conf.json: which plugins run, in this order. */
export interface ConfigList {
  readonly version: string;
  readonly plugins: readonly Plugin[];
}

export interface Spec {
  readonly resources: LinuxResources | null;
  /** OCI namespace type to path; the path of a new namespace is "". */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly cgroupsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RequestSpec extends Spec {
  /** Not of v0.1: of a pod sandbox whose resources are to change. */
  readonly overhead?: LinuxResources | null;
}

/** The request of a legacy plugin, without its own part (`conf`) and the chain's (`results`). */
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

/** The answer of a legacy plugin. */
export interface Result {
  readonly plugin: string;
  readonly version: string;
  readonly error: string;
  readonly metadata: Readonly<Record<string, string>>;
}
