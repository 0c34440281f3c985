import { dirname } from "node:path";
import { mayFail, refusedSandboxFault } from "../../nri/versions.js";
import { decideSandboxes } from "../../sandboxes.js";
import type { Facts, RuntimeFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { setBridge } from "../fixes.js";
import { nameOf, speaksNri2 } from "./runtime.js";

/** Whether the runtime runs v0.1 plugins for sandboxes itself, as far as its version tells. */
export function runsNatively({ name, version, sandboxedCri }: RuntimeFacts): "yes" | "no" | "unknown" {
  const runtime = { name, version };
  const sure = { answer: "yes", reason: "" } as const;
  const { served, unsure } = decideSandboxes({ setting: "auto", runtime, sandboxedCri, sharesConfFile: () => sure });
  if (unsure) return "unknown";
  return served ? "no" : "yes";
}

/** Who runs v0.1 plugins for pod sandboxes, and what comes of a failure. */
export function sandboxFindings(facts: Facts): readonly Finding[] {
  const { runtime, plugins } = facts;
  if (runtime?.pid === undefined || plugins.length === 0 || speaksNri2(runtime) !== true) return [];
  return [...whoServes(facts, runtime), ...refusals(facts, runtime)];
}

/** Where the bridge serves sandboxes of a containerd that cannot be told that one failed. */
function refusals({ plugins, bridge }: Facts, runtime: RuntimeFacts): readonly Finding[] {
  const setting = bridge.config.sandboxes;
  const isNative = runsNatively(runtime) === "yes" && runtime.sharesConfFile.answer === "yes";
  const serves = setting === "always" || (setting === "auto" && !isNative);
  const refusing = plugins.filter(({ takesCreate, createFails, async }) => takesCreate && createFails && !async);
  if (mayFail("RunPodSandbox", runtime) || !serves || refusing.length === 0) return [];
  return [
    {
      id: "sandbox-failure-untold",
      severity: "warning",
      what: `${nameOf(runtime)} is not told that the create of a pod sandbox failed (${refusing.map(({ type }) => type).join(", ")}): the pod starts all the same`,
      why: `${refusedSandboxFault.fault}; the failure is an error in the bridge's log, and nowhere else`,
      fix: refusedSandboxFault.remedy,
      where: runtime.path,
    },
  ];
}

/** The bridge, containerd 2.x itself, both, or nobody. */
function whoServes(facts: Facts, runtime: RuntimeFacts): readonly Finding[] {
  const { bridge, conf } = facts;
  const native = runsNatively(runtime);
  const { answer, reason } = runtime.sharesConfFile;
  const setting = bridge.config.sandboxes;
  const where = bridge.file ?? conf.path;
  const runtimeName = nameOf(runtime);
  if (setting === "never") {
    if (native !== "no" && answer !== "no") return [];
    return [
      {
        id: "sandboxes-unserved",
        severity: "warning",
        what: `sandboxes: never, and ${native === "yes" ? `${runtimeName} reads another conf.json (${reason})` : `${runtimeName} runs no v0.1 plugins itself`}`,
        why: "no plugin runs for pod sandboxes: neither their create nor their delete",
        fix: setBridge(facts, ["sandboxes"], "auto"),
        where,
      },
    ];
  }
  if (native === "no") return [];
  if (setting === "always") {
    if (answer === "no") return [];
    return [
      {
        id: "sandboxes-twice",
        severity: "warning",
        what: `sandboxes: always, and ${runtimeName} runs the plugins of this conf.json for sandboxes itself`,
        why: "every plugin sees each pod sandbox twice",
        fix: setBridge(facts, ["sandboxes"], "auto"),
        where,
      },
    ];
  }
  if (answer === "no") return [];
  const apart = `${dirname(conf.path)}/v01-bridge.json`;
  if (answer === "unknown" || native === "unknown") {
    return [
      {
        id: "sandboxes-unsure",
        severity: "warning",
        what: `whether ${runtimeName} runs the plugins of this conf.json for sandboxes itself cannot be told: ${reason}`,
        why: "the bridge serves sandboxes then, and plugins may see each one twice",
        fix: `let the bridge see the runtime's process (host's pid namespace, root); where it cannot, and the runtime does run them: ${setBridge(facts, ["sandboxes"], "never")}`,
        where,
      },
    ];
  }
  return [
    {
      id: "sandboxes-native",
      severity: "info",
      what: `${runtimeName} runs the plugins of ${conf.path} for pod sandboxes itself, and the bridge for containers`,
      why: "a sandbox's create is without the bridge's time limit and policy; its failure costs what containerd says",
      // What containerd has created, it alone deletes, with what stands in this file then.
      fix: mayFail("RunPodSandbox", runtime)
        ? `nothing; if the bridge is to serve sandboxes too, on a drained node move ${conf.path} to ${apart}, and ${setBridge(facts, ["confFile"], apart)}`
        : `nothing: for the bridge to serve sandboxes too, first ${refusedSandboxFault.remedy}`,
      where: conf.path,
    },
  ];
}
