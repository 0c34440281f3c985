import { dirname } from "node:path";
import { runsPlugins } from "../../../bridge/sandboxes.js";
import { mayFail, refusedSandboxFault } from "../../../nri/versions.js";
import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { setBridge } from "../fixes.js";
import { mayRefuse, nameOf, speaksNri2, switchNriOn } from "./runtime.js";

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

const migrateRow = rowOf("migrate");

/** What an upgrade from containerd 1.6 changes: for each plugin of conf.json, and for all of them. */
export const migrateRows: Table = [
  migrateRow({
    id: "migrate-time-limit",
    severity: "info",
    when: ({ plugins }) => plugins,
    what: ({ type, settings }) =>
      `${type} had minutes under containerd 1.6, and has a share of 2 s afterwards${settings.async ? "; as an observer it has 10 s of its own" : ""}`,
    why: "an NRI v2 runtime waits 2 s for the whole chain (plugin_request_timeout); the bridge ends a plugin that takes longer, and its create fails",
    fix: ({ type }, facts) =>
      `nothing, if it is quick; else raise the runtime's plugin_request_timeout, or for one that only watches ${setBridge(facts, ["plugins", type, "async"], "true")}`,
    where: ({ index }, { conf }) => `${conf.path}#/plugins/${index}`,
  }),
  migrateRow({
    id: "migrate-cgroup-v1",
    severity: "warning",
    // On a v2 node the finding of today says it.
    when: ({ plugins, cgroup }) =>
      cgroup.version !== "v2" && plugins.filter((plugin) => plugin.cgroup !== "capture" && plugin.binary?.v1Only),
    what: ({ type, binary }) => `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")})`,
    why: "on a new node with cgroup v2 the files are not there: it fails, or does nothing and says all is well",
    fix: ({ type }, facts) => `on the new node ${setBridge(facts, ["plugins", type, "cgroup"], "capture")}`,
  }),
  migrateRow({
    id: "migrate-lookup",
    severity: "warning",
    when: ({ plugins }) => plugins.filter(({ path, pathFirst }) => path !== "" && (pathFirst ?? path) !== path),
    what: ({ type, path, pathFirst }) => `${type} is ${pathFirst} under containerd 1.6, and will be ${path}`,
    why: "1.6 looked along PATH first and in the plugin directory last; the bridge does it the other way round",
    fix: ({ path }, facts) => `nothing, if ${path} is the plugin; else ${setBridge(facts, ["lookup"], "path-first")}`,
    where: (_, { conf }) => conf.path,
  }),
  migrateRow({
    id: "migrate-relative-type",
    severity: "warning",
    when: ({ plugins }) => plugins.filter(({ type }) => type.includes("/") && !type.startsWith("/")),
    what: ({ type }) => `${type} is a path relative to containerd's working directory, and will be /${type}`,
    why: "the bridge runs plugins in /",
    fix: (_, { conf }) => `write the absolute path as "type" in ${conf.path}`,
    where: ({ index }, { conf }) => `${conf.path}#/plugins/${index}`,
  }),
  migrateRow({
    id: "migrate-switch-on-nri",
    severity: "warning",
    when: (facts) => facts.plugins.length > 0 && mayNeedSwitch(facts),
    what: "containerd 1.7 has NRI switched off by default; 2.x and CRI-O 1.30 have it on",
    why: "after an upgrade to 1.7 no plugin runs, and nothing says so",
    fix: (_, { runtime }) =>
      `after the upgrade: ${
        runtime?.name === "containerd"
          ? switchNriOn(runtime)
          : 'in /etc/containerd/config.toml set disable = false under [plugins."io.containerd.nri.v1.nri"]'
      }`,
    where: (_, { runtime }) => runtime?.config.path ?? "/etc/containerd/config.toml",
  }),
];

/** Whether the runtime is to be upgraded, and its configuration does not switch NRI on already: 1.6 ignores the section. */
function mayNeedSwitch({ runtime }: Facts): boolean {
  if (runtime !== undefined && speaksNri2(runtime) === true) return false;
  if (runtime?.name !== "containerd") return true;
  const { nri, unreadable } = runtime.config;
  return unreadable.length === 0 && !(nri.enabled && nri.at.enabled !== undefined);
}
