import type { Log } from "../base/logger.js";
import type { Config } from "../config/schema.js";
import { NodeFiles } from "../host/node-files.js";
import { programHolds, sharesConfFile } from "../host/peer.js";
import { type Answer, argumentsOf, environmentOf } from "../host/proc.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import type { PodSandbox } from "../nri/types.js";

/** What the bridge knows about whether a runtime runs v0.1 plugins itself. */
export interface NativeFacts {
  /** Whether the runtime's program contains the v0.1 client. */
  readonly v01Client: Answer["answer"];
  /** Whether a containerd 1.7 was started with ENABLE_CRI_SANDBOXES; undefined when the bridge cannot find out. */
  readonly sandboxedCri: boolean | undefined;
  /** The sandbox controller (`sandboxer`) that creates the sandboxes of a runtime handler. */
  readonly sandboxerOf: (handler: string) => string;
}

/**
 * Decides whether the bridge serves pod sandboxes or leaves them to a containerd that still runs v0.1 plugins itself, which it does
 * for sandboxes only. If both served them, every plugin would see each sandbox twice.
 *
 * @param native whether the runtime runs v0.1 plugins itself
 * @param sharesConfFile whether the runtime reads the same conf.json as the bridge
 * @returns `unsure`: the bridge decided without knowing for certain
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
  // The runtime runs v0.1 plugins, and they are the ones that the bridge would run.
  if (answer === "yes" && native === "yes") return sure(false, reason);
  const doubt = native === "yes" ? "" : "it is not known whether the runtime runs v0.1 plugins itself; ";
  return { served: true, reason: doubt + reason, unsure: true };
}

/**
 * A text that each Go program with a call of the v0.1 client contains, stripped or not: Go's function table has the name.
 *
 * compat: containerd 1.6.20, 1.7.24 and 2.1.9 contain this text, once or twice.
 */
export const v01ClientText = "github.com/containerd/nri.(*Client).InvokeWithSandbox";

/** compat: the last minor version of containerd 2 whose sources are known to call the v0.1 client; deprecated since 2.2. */
const lastKnownMinor = 4;

/**
 * Whether a runtime runs v0.1 plugins for sandboxes itself. The runtime's program decides; where the bridge cannot read the
 * program, the runtime's version decides.
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
 * Looks at a runtime's process and at the configuration that the runtime was started with. The search of the program runs on while
 * the bridge serves; until the search ends, the runtime's version decides.
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
 * Whether the bridge serves this event of a pod sandbox. The answer at the create holds for the sandbox's whole life, with one
 * exception: a delete that the runtime has begun to deliver itself since then.
 */
export type SandboxRule = (event: "create" | "delete", pod: Pick<PodSandbox, "runtimeHandler">) => boolean;

/**
 * The rule for a configuration and a runtime. The facts in `known` may become more exact later. The log says the decision and its
 * reason once for each runtime handler, and again when the decision changes.
 */
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
      if (unsure) log.warn(fields, "the bridge runs plugins for pod sandboxes, although the runtime may run them too");
      else log.info(fields, `the bridge ${served ? "runs" : "does not run"} plugins for pod sandboxes`);
    }
    // The settings `always` and `never` do not change what the bridge owes to earlier sandboxes: it delivers their deletes.
    return served || (event === "delete" && config.sandboxes !== "auto");
  };
}
