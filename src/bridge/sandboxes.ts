import type { Log } from "../base/logger.js";
import type { Config } from "../config/schema.js";
import { environmentVariableOf } from "../host/peer.js";
import type { Answer } from "../host/proc.js";
import { sharesConfFile } from "../host/shared-file.js";
import type { RuntimeInfo } from "../nri/handlers.js";

/** Who delivers the v0.1 requests of a pod sandbox. */
export interface SandboxDecision {
  /** Whether the bridge does. */
  readonly served: boolean;
  readonly reason: string;
  /** It was decided without knowing: worth a warning. */
  readonly unsure: boolean;
}

export interface SandboxFacts {
  readonly setting: "auto" | "always" | "never";
  /** As the runtime's Configure tells. */
  readonly runtime: { readonly name: string; readonly version: string };
  /** Whether a containerd 1.7 was started with ENABLE_CRI_SANDBOXES; undefined when that cannot be told. */
  readonly sandboxedCri: boolean | undefined;
  /** Whether the runtime reads the file that the bridge reads. */
  readonly sharesConfFile: () => Answer;
}

/**
 * Whether the bridge serves a pod sandbox, or leaves it to a containerd that still runs v0.1 plugins itself, for
 * sandboxes only. Under both, every plugin would see each sandbox twice.
 */
export function decideSandboxes({ setting, runtime, sandboxedCri, sharesConfFile }: SandboxFacts): SandboxDecision {
  if (setting !== "auto") return { served: setting === "always", reason: `sandboxes: ${setting}`, unsure: false };
  const native = runsPlugins(runtime, sandboxedCri);
  if (native === "no") return { served: true, reason: "the runtime runs no v0.1 plugins itself", unsure: false };
  const { answer, reason } = sharesConfFile();
  // Sure only where both are: the runtime runs them, and they are the same.
  if (answer === "no") return { served: true, reason, unsure: false };
  if (answer === "yes" && native === "yes") return { served: false, reason, unsure: false };
  return {
    served: true,
    reason: native === "yes" ? reason : `ENABLE_CRI_SANDBOXES is not known; ${reason}`,
    unsure: true,
  };
}

/**
 * Whether a runtime runs v0.1 plugins for sandboxes itself.
 *
 * compat: containerd's sandbox CRI (all of 2.x, 1.7 with ENABLE_CRI_SANDBOXES) still calls the v0.1 client.
 */
export function runsPlugins(
  { name, version }: SandboxFacts["runtime"],
  sandboxedCri: boolean | undefined,
): Answer["answer"] {
  if (name !== "containerd") return "no";
  const [, major = "", minor = ""] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) >= 2) return "yes";
  if (major === "1" && minor === "7") return sandboxedCri === undefined ? "unknown" : sandboxedCri ? "yes" : "no";
  return major === "1" ? "no" : "unknown";
}

/**
 * Whether the bridge serves what happens now to a pod sandbox. A create decides for all its life, but for a delete that
 * the runtime has come to deliver itself: one is enough.
 */
export type SandboxRule = (event: "create" | "delete") => boolean;

/** The rule of a configuration and a runtime; the log says once how it is, and why. */
export function createSandboxRule(
  config: Config,
  runtime: RuntimeInfo,
  peer: number | undefined,
  log: Log,
): SandboxRule {
  const flag = peer === undefined ? undefined : environmentVariableOf(peer, "ENABLE_CRI_SANDBOXES");
  const sandboxedCri = peer === undefined ? undefined : (flag ?? "") !== "";
  let told = "";
  return (event) => {
    const decision = decideSandboxes({
      setting: config.sandboxes,
      runtime,
      sandboxedCri,
      sharesConfFile: () => sharesConfFile(peer, config.confFile),
    });
    const { served, reason, unsure } = decision;
    if (told !== `${served}`) {
      told = `${served}`;
      if (unsure) log.warn({ served, reason }, "serving sandboxes, although the runtime may run their plugins itself");
      else log.info({ served, reason }, "who serves sandboxes");
    }
    // A setting has nothing to say of what was created before it: that delete is owed.
    return served || (event === "delete" && config.sandboxes !== "auto");
  };
}
