import type { RawJson } from "./gojson/raw.js";
import type { LinuxResources } from "./resources.js";

export type { RawJson };

/**
 * The state in a request. containerd 1.6 sent create and delete; the v0.1 client also defines update, pause and resume. Any other
 * text is a state that a patched runtime sends.
 */
export type State = "create" | "delete" | "update" | "pause" | "resume" | (string & {});

export interface Plugin {
  readonly type: string;
  readonly conf?: RawJson;
}

/** The content of conf.json: the plugins that run, in this order. */
export interface ConfigList {
  readonly version: string;
  readonly plugins: readonly Plugin[];
}

export interface Spec {
  readonly resources: LinuxResources | null;
  /** Maps an OCI namespace type to its path; a new namespace has the path "". */
  readonly namespaces: Readonly<Record<string, string>>;
  readonly cgroupsPath: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RequestSpec extends Spec {
  /** An addition to v0.1: the pod's overhead, when an UpdatePodSandbox asks for it. */
  readonly overhead?: LinuxResources | null;
}

/** The request of a legacy plugin, without the plugin's own part (`conf`) and the earlier results of the chain (`results`). */
export interface Request {
  readonly version: string;
  readonly state: State;
  readonly id: string;
  /** For a sandbox, the same as `id`. */
  readonly sandboxID: string;
  /** 0 when the process does not exist yet: the JSON then has no `pid`. */
  readonly pid: number;
  readonly spec: RequestSpec;
  readonly labels: Readonly<Record<string, string>>;
  /** An addition to v0.1: the data that `request: superset` adds. */
  readonly nri?: RawJson;
}

/** The answer of a legacy plugin. */
export interface Result {
  readonly plugin: string;
  readonly version: string;
  readonly error: string;
  readonly metadata: Readonly<Record<string, string>>;
}
