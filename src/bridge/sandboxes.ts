import type { Log } from "../base/logger.js";
import type { Config } from "../config/schema.js";
import { NodeFiles } from "../host/node-files.js";
import { programHolds, sharesConfFile } from "../host/peer.js";
import { type Answer, argumentsOf, environmentOf } from "../host/proc.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import type { PodSandbox } from "../nri/types.js";

/** Whether a runtime runs v0.1 plugins itself, as far as it is known. */
export interface NativeFacts {
  /** Whether the v0.1 client is in its program. */
  readonly v01Client: Answer["answer"];
  /** Whether a containerd 1.7 was started with ENABLE_CRI_SANDBOXES; undefined when that cannot be told. */
  readonly sandboxedCri: boolean | undefined;
  /** The controller that makes the sandboxes of a runtime handler. */
  readonly sandboxerOf: (handler: string) => string;
}

/**
 * Whether the bridge serves a pod sandbox, or leaves it to a containerd that still runs v0.1 plugins itself, for
 * sandboxes only. Under both, every plugin would see each sandbox twice.
 *
 * @param native whether the runtime runs v0.1 plugins itself
 * @param sharesConfFile whether the runtime reads the file that the bridge reads
 * @returns `unsure`: it was decided without knowing
 */
export function decideSandboxes(
  setting: Config["sandboxes"],
  native: Answer["answer"],
  sharesConfFile: () => Answer,
): { readonly served: boolean; readonly reason: string; readonly unsure: boolean } {
  const sure = (served: boolean, reason: string) => ({ served, reason, unsure: false });
  if (setting !== "auto") return sure(setting === "always", `sandboxes: ${setting}`);
  if (native === "no") return sure(true, "the runtime runs no v0.1 plugins for this sandbox itself");
  const { answer, reason } = sharesConfFile();
  if (answer === "no") return sure(true, reason);
  // The runtime runs them, and they are the same.
  if (answer === "yes" && native === "yes") return sure(false, reason);
  const doubt = native === "yes" ? "" : "cannot determine whether the runtime runs v0.1 plugins itself; ";
  return { served: true, reason: doubt + reason, unsure: true };
}

/**
 * A text in each Go program that calls the v0.1 client, stripped or not: Go's table of functions has its name.
 *
 * compat: so it is in containerd 1.6.20, 1.7.24 and 2.1.9, once or twice.
 */
export const v01ClientText = "github.com/containerd/nri.(*Client).InvokeWithSandbox";

/** compat: the last minor version of containerd 2 whose sources are known to call it; deprecated since 2.2. */
const lastKnownMinor = 4;

/**
 * Whether a runtime runs v0.1 plugins for sandboxes itself: its program tells, and where that cannot be read, its version.
 *
 * compat: containerd's sandbox CRI (all of 2.x, 1.7 with ENABLE_CRI_SANDBOXES) still calls the v0.1 client, in its controller
 * `podsandbox` alone.
 *
 * @param handler the pod's runtime handler; "" for the default one
 */
export function runsPlugins(
  { name, version }: Pick<RuntimeInfo, "name" | "version">,
  { v01Client: client, sandboxedCri, sandboxerOf }: NativeFacts,
  handler: string,
): Answer["answer"] {
  if (name !== "containerd" || client === "no" || sandboxerOf(handler) !== "podsandbox") return "no";
  const [, major = "", minor = ""] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) >= 2)
    return client === "yes" || (major === "2" && Number(minor) <= lastKnownMinor) ? "yes" : "unknown";
  if (major === "1" && minor === "7") return sandboxedCri === undefined ? "unknown" : sandboxedCri ? "yes" : "no";
  return major === "1" ? "no" : "unknown";
}

/**
 * Looks at a runtime's process and at the configuration that it was started with. Its program is read while the bridge
 * serves: until that is done the version decides.
 */
export async function readNativeFacts(
  name: string,
  peer: number | undefined,
  procRoot = "/proc",
): Promise<NativeFacts> {
  if (name !== "containerd" || peer === undefined) {
    return { v01Client: "unknown", sandboxedCri: undefined, sandboxerOf: () => "podsandbox" };
  }
  const { readRuntimeToml, readSandboxers } = await import("../host/runtime-toml.js");
  const files = new NodeFiles(`${procRoot}/${peer}/root`);
  const facts: NativeFacts & { v01Client: Answer["answer"] } = {
    v01Client: "unknown",
    sandboxedCri: Boolean(environmentOf(peer, procRoot)?.get("ENABLE_CRI_SANDBOXES")),
    sandboxerOf: readSandboxers(readRuntimeToml(files, "containerd", argumentsOf(peer, procRoot))),
  };
  void programHolds(peer, v01ClientText, procRoot).then((answer) => {
    facts.v01Client = answer;
  });
  return facts;
}

/**
 * Whether the bridge serves what happens now to a pod sandbox. A create decides for all its life, but for a delete that
 * the runtime has come to deliver itself: one is enough.
 */
export type SandboxRule = (event: "create" | "delete", pod: Pick<PodSandbox, "runtimeHandler">) => boolean;

/** The rule of a configuration and a runtime, of which more may be known later; the log says once for each runtime handler how it is, and why. */
export function createSandboxRule(
  config: Pick<Config, "sandboxes" | "confFile">,
  runtime: Pick<RuntimeInfo, "name" | "version">,
  known: { readonly peer: number | undefined; readonly native: NativeFacts },
  log: Log,
): SandboxRule {
  const told = new Map<string, boolean>();
  return (event, { runtimeHandler }) => {
    const native = runsPlugins(runtime, known.native, runtimeHandler);
    const shares = () => sharesConfFile(known.peer, config.confFile);
    const { served, reason, unsure } = decideSandboxes(config.sandboxes, native, shares);
    if (told.get(runtimeHandler) !== served) {
      told.set(runtimeHandler, served);
      const fields = { served, reason, ...(runtimeHandler === "" ? {} : { runtimeHandler }) };
      if (unsure) log.warn(fields, "running plugins for pod sandboxes, although the runtime may run them too");
      else log.info(fields, "decided whether the bridge runs plugins for pod sandboxes");
    }
    // A setting has nothing to say of what was created before it: that delete is owed.
    return served || (event === "delete" && config.sandboxes !== "auto");
  };
}
