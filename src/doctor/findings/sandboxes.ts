import { decideSandboxes } from "../../state/sandboxes.js";
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

/** Who runs v0.1 plugins for pod sandboxes: the bridge, containerd 2.x itself, both, or nobody. */
export function sandboxFindings({ runtime, bridge, conf, plugins }: Facts): readonly Finding[] {
  if (runtime?.pid === undefined || plugins.length === 0 || speaksNri2(runtime) !== true) return [];
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
        fix: setBridge(bridge, ["sandboxes"], "auto"),
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
        fix: setBridge(bridge, ["sandboxes"], "auto"),
        where,
      },
    ];
  }
  if (answer === "no") return [];
  if (answer === "unknown" || native === "unknown") {
    return [
      {
        id: "sandboxes-unsure",
        severity: "warning",
        what: `whether ${runtimeName} runs the plugins of this conf.json for sandboxes itself cannot be told: ${reason}`,
        why: "the bridge serves sandboxes then, and plugins may see each one twice",
        fix: `${setBridge(bridge, ["sandboxes"], "never")} # if it does; else always; or let the bridge see the runtime's process (host's pid namespace, root)`,
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
      fix: `give the bridge a conf.json of its own (--conf FILE) and remove ${conf.path}, if it is to serve sandboxes too`,
      where: conf.path,
    },
  ];
}
