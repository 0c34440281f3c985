import { formatVersion, isAtLeast, runtimesWith } from "../nri/versions.js";
import { type Fault, good, idle, type Parsed } from "./parsed.js";
import type { AdjustmentContext, Phase } from "./types.js";

/** The conditions under which a field takes effect. An absent condition always holds. */
export interface Gate {
  readonly phases: readonly Phase[];
  /** The first NRI version whose adjustments hold the field. Only phase create needs that version. */
  readonly since?: Release;
  readonly cgroup?: 1 | 2;
  /**
   * Returns, as text, the runtimes and versions that apply the field, if the context's runtime drops it in silence; undefined if it
   * does not.
   */
  readonly runtime?: (context: AdjustmentContext) => string | undefined;
}

export type Release = "0.3" | "0.4" | "0.7" | "0.10" | "0.11" | "0.12";

export function checkGate(gate: Gate, context: AdjustmentContext): Parsed<true> {
  const { phase, cgroupVersion } = context;
  if (!gate.phases.includes(phase)) return wrongPhase(gate, phase);
  if (phase === "create" && gate.since && !isSince(context, gate.since)) return tooOld(gate.since, context);
  const runtimes = gate.runtime?.(context);
  if (runtimes !== undefined) {
    const { name = "this runtime", version } = context.runtime ?? {};
    const where = version === undefined ? name : `${name} ${formatVersion(version)}`;
    return idle(`${where} drops it in silence`, `needs ${runtimes}`);
  }
  if (gate.cgroup !== undefined && cgroupVersion !== "unknown" && cgroupVersion !== gate.cgroup) {
    const reason = `takes effect on hosts with cgroup v${gate.cgroup}, and this host has v${cgroupVersion}`;
    const remedies = { 1: "cgroup v2 has no such setting: leave it out", 2: "use the cpu., memory. and pids. keys" };
    return idle(reason, remedies[gate.cgroup]);
  }
  return good(true);
}

export function tooOld(since: Release, { nri }: AdjustmentContext): Fault {
  const reason = `needs NRI ${since}, and this runtime speaks ${formatVersion(nri)}`;
  return idle(reason, `update the runtime to ${runtimesWith(`${since}.0`)}, or later`);
}

function wrongPhase({ phases }: Gate, phase: Phase): Fault {
  const reason = `takes effect in phase ${phases.join(" or ")}, not in ${phase}`;
  if (phase === "start") return idle(`${reason}: the container exists already`, "set `phase: create` for this plugin");
  const lost = "where NRI's OCI generator drops it in silence (0.2 to 0.12)";
  if (phase === "create") return idle(`${reason}, ${lost}`, "set `phase: start` for this plugin");
  if (phase === "update") return idle(reason, "ask for it when the container is created");
  return idle(reason, "leave it out of the answer to a delete, where only updates of other containers take effect");
}

export function isSince({ nri }: AdjustmentContext, release: Release): boolean {
  return isAtLeast(nri, `${release}.0`);
}

/**
 * Whether the runtime's NRI is a version whose source code this project has searched for lost fields: 0.2 to 0.12.2. A later
 * version may no longer lose them.
 */
export function isRead({ nri }: AdjustmentContext): boolean {
  return !isAtLeast(nri, "0.13.0");
}

/**
 * CDI devices need a runtime that gives NRI's generator an injector: containerd 1.7.30 and later 1.7 releases
 * (pkg/cri/nri/nri_api_linux.go), containerd 2.1.0 and later (internal/cri/nri) but no 2.0 release, CRI-O 1.34.0 and later
 * (server/nri-api.go).
 */
export function cdiInjection({ runtime }: AdjustmentContext): string | undefined {
  const version = runtime?.version;
  if (version === undefined) return undefined;
  const since = { containerd: version.major < 2 ? "1.7.30" : "2.1.0", "cri-o": "1.34.0" };
  const isOld = Object.entries(since).some(([name, first]) => runtime?.name === name && !isAtLeast(version, first));
  return isOld ? "containerd 1.7.30 of 1.7, containerd 2.1 or CRI-O 1.34, or later" : undefined;
}

// CRI-O leaves fields out of a container's own update: huge pages, and unified files before 1.36.0
// (server/container_update_resources.go: v1.26.0 to v1.37).
export function criOUpdate(since?: string): NonNullable<Gate["runtime"]> {
  return ({ runtime, phase }) => {
    if (phase !== "update" || runtime?.name !== "cri-o") return undefined;
    if (since === undefined) return "containerd, or phase create on CRI-O";
    const isApplied = runtime.version === undefined || isAtLeast(runtime.version, since);
    return isApplied ? undefined : `containerd, or CRI-O ${since} or later`;
  };
}
