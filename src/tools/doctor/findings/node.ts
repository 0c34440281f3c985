import { dirname } from "node:path";
import { runsPlugins } from "../../../bridge/sandboxes.js";
import { mayFail, refusedSandboxFault } from "../../../nri/versions.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { setBridge } from "../fixes.js";
import { mayRefuse, nameOf, speaksNri2 } from "./runtime.js";

const row = rowOf("doctor", "migrate");

/** What runs the plugins for pod sandboxes, and what the bridge needs of the node. */
export const nodeRows: Table = [
  row({
    id: "sandbox-failure-untold",
    severity: "warning",
    when: sandboxes(
      ({ setting, isNative, runtime }, { plugins }) =>
        (setting === "always" || (setting === "auto" && !isNative)) &&
        !mayFail("RunPodSandbox", runtime) &&
        plugins.some(mayRefuse),
    ),
    what: ({ runtime }, { plugins }) =>
      `${nameOf(runtime)} is not told that the create of a pod sandbox failed (${plugins
        .filter(mayRefuse)
        .map(({ type }) => type)
        .join(", ")}): the sandbox runs, and each of its containers fails until a create of it succeeds`,
    why: `${refusedSandboxFault.fault}; the failure is an error in the bridge's log, and of the containers`,
    fix: refusedSandboxFault.remedy,
    where: ({ runtime }) => runtime.path,
  }),
  row({
    id: "sandboxes-unserved",
    severity: "warning",
    when: sandboxes(({ setting, mayBeNative }) => setting === "never" && !mayBeNative),
    what: ({ runtime, native }) =>
      `sandboxes: never, and ${nameOf(runtime)} ${native === "yes" ? `reads another conf.json (${runtime.sharesConfFile.reason})` : "runs no v0.1 plugins itself"}`,
    why: "no plugin runs for pod sandboxes: neither their create nor their delete",
    fix: (_, facts) => setBridge(facts, ["sandboxes"], "auto"),
    where: configured,
  }),
  row({
    id: "sandboxes-twice",
    severity: "warning",
    when: sandboxes(({ setting, mayBeNative }) => setting === "always" && mayBeNative),
    what: ({ runtime }) =>
      `sandboxes: always, and ${nameOf(runtime)} runs the plugins of this conf.json for sandboxes itself`,
    why: "every plugin sees each pod sandbox twice",
    fix: (_, facts) => setBridge(facts, ["sandboxes"], "auto"),
    where: configured,
  }),
  row({
    id: "sandboxes-unsure",
    severity: "warning",
    when: sandboxes(({ setting, mayBeNative, isNative }) => setting === "auto" && mayBeNative && !isNative),
    what: ({ runtime, native }) =>
      `it is not known whether ${nameOf(runtime)} runs the plugins of this conf.json for sandboxes itself: ${native === "unknown" ? "neither its program nor its version tells" : runtime.sharesConfFile.reason}`,
    why: "the bridge serves sandboxes then, and plugins may see each one twice",
    fix: (_, facts) =>
      `let the bridge see the runtime's process (host's pid namespace, root); where it cannot, and the runtime does run them: ${setBridge(facts, ["sandboxes"], "never")}`,
    where: configured,
  }),
  row({
    id: "sandboxes-native",
    severity: "info",
    when: sandboxes(({ setting, isNative }) => setting === "auto" && isNative),
    what: ({ runtime }, { conf }) =>
      `${nameOf(runtime)} runs the plugins of ${conf.path} for pod sandboxes itself, and the bridge for containers`,
    why: "a sandbox's create is without the bridge's time limit and policy; its failure costs what containerd says",
    // What containerd has created, it alone deletes, with what stands in this file then.
    fix: ({ runtime }, facts) => {
      const { path } = facts.conf;
      const apart = `${dirname(path)}/v01-bridge.json`;
      return mayFail("RunPodSandbox", runtime)
        ? `nothing; if the bridge is to serve sandboxes too, on a drained node move ${path} to ${apart}, and ${setBridge(facts, ["confFile"], apart)}`
        : `nothing: for the bridge to serve sandboxes too, first ${refusedSandboxFault.remedy}`;
    },
    where: (_, { conf }) => conf.path,
  }),
  row({
    id: "not-root",
    severity: "warning",
    when: ({ self }) => self.uid !== 0,
    what: (_, { self }) => `this is user ${self.uid}, not root`,
    why: "the socket, the runtime's process and plugins' files may be out of reach: the findings may be incomplete, and a bridge of this user does not work",
    fix: "sudo nri-v01-bridge doctor",
    where: "",
  }),
  row({
    id: "state-not-writable",
    severity: "error",
    when: ({ state }) => !state.writable && state.directory,
    what: (directory) => `${directory} cannot be written`,
    why: "the journal cannot be kept: after a crash a plugin may miss a delete",
    fix: (directory) =>
      `make ${directory} a directory that is the bridge's alone (root's, mode 0700); in a container mount it from the host`,
    where: (directory) => directory,
  }),
];

/** What runs v0.1 plugins for pod sandboxes, where there are any: the bridge, containerd itself, both or neither. */
function sandboxesOf({ runtime, native: facts, plugins, bridge }: Facts) {
  if (runtime?.pid === undefined || plugins.length === 0 || speaksNri2(runtime) !== true) return undefined;
  // Of the pods of the default runtime handler.
  const native = runsPlugins(runtime, facts, "");
  const { answer } = runtime.sharesConfFile;
  return {
    runtime,
    setting: bridge.config.sandboxes,
    /** Whether containerd runs v0.1 plugins itself, whichever; then the same of those of the bridge's conf.json. */
    native,
    mayBeNative: native !== "no" && answer !== "no",
    isNative: native === "yes" && answer === "yes",
  };
}

/** The same, where this is true of it. */
function sandboxes(holds: (found: NonNullable<ReturnType<typeof sandboxesOf>>, facts: Facts) => boolean) {
  return (facts: Facts) => {
    const found = sandboxesOf(facts);
    return found !== undefined && holds(found, facts) && found;
  };
}

function configured(_: unknown, { bridge, conf }: Facts): string {
  return bridge.file ?? conf.path;
}
