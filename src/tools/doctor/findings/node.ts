import { mayFail, refusedSandboxFault } from "../../../nri/versions.js";
import type { Facts } from "../facts.js";
import { given, rowOf, type Table } from "../finding.js";
import { captureInCreate, guardFile, setBridge } from "../fixes.js";
import { mayRefuse, nameOf, speaksNri2, switchNriOn } from "./runtime.js";

const row = rowOf("doctor", "migrate");

/** Selects the runtime when it runs and speaks NRI v2, and conf.json lists plugins: it may then send events of pod sandboxes. */
const sandboxes = given(({ runtime, plugins }) => {
  return runtime?.pid !== undefined && plugins.length > 0 && speaksNri2(runtime) ? runtime : undefined;
});

const setToAuto = {
  fix: (_: unknown, facts: Facts) => setBridge(facts, ["sandboxes"], "auto"),
  where: (_: unknown, { bridge, conf }: Facts) => bridge.file ?? conf.path,
} as const;

export const nodeRows: Table = [
  row("sandbox-failure-untold", "warning", {
    when: sandboxes(
      (runtime, { sandboxes, bridge, plugins }) =>
        (bridge.config.sandboxes === "always" || (bridge.config.sandboxes === "auto" && sandboxes.served)) &&
        !mayFail("RunPodSandbox", runtime) &&
        plugins.some(mayRefuse),
    ),
    what: (runtime, { plugins }) =>
      `the bridge must not tell ${nameOf(runtime)} that the create of a pod sandbox failed (${plugins
        .filter(mayRefuse)
        .map(({ type }) => type)
        .join(
          ", ",
        )}): the sandbox starts, and the bridge fails each of its containers until the sandbox's create succeeds`,
    why: `${refusedSandboxFault.fault}; the error is in the bridge's log and in the events of the containers`,
    fix: refusedSandboxFault.remedy,
  }),
  row("sandboxes-unserved", "warning", {
    ...setToAuto,
    when: sandboxes(
      (_, { sandboxes, bridge }) => bridge.config.sandboxes === "never" && sandboxes.served && !sandboxes.unsure,
    ),
    what: (_, { sandboxes }) => `the bridge's configuration has sandboxes: never, and ${sandboxes.reason}`,
    why: "no plugin runs for pod sandboxes: neither their create nor their delete",
  }),
  row("sandboxes-twice", "warning", {
    ...setToAuto,
    when: sandboxes((_, { sandboxes, bridge }) => bridge.config.sandboxes === "always" && !sandboxes.served),
    what: (runtime) =>
      `the bridge's configuration has sandboxes: always, and ${nameOf(runtime)} itself runs the plugins of this conf.json for sandboxes`,
    why: "every plugin sees each pod sandbox twice",
  }),
  row("not-root", "warning", {
    when: ({ self }) => self.uid !== 0,
    what: (_, { self }) => `doctor runs as user ${self.uid}, not as root`,
    why: "doctor may not be able to read the socket, the runtime's process and plugins' files: the findings may be incomplete, and a bridge that runs as this user does not work",
    fix: "sudo nri-v01-bridge doctor",
    where: "",
  }),
  row("state-unusable", "error", {
    when: ({ state }) => state.fault !== null && state.directory,
    what: (_, { state }) => `the bridge does not use its state directory: ${state.fault}`,
    why: "the bridge cannot keep its journal: after a crash a plugin may miss a delete",
    fix: (directory, { state }) =>
      state.writable
        ? guardFile(directory, state.fault ?? "")
        : `make ${directory} a directory that only the bridge uses (owner root, mode 0700); in a container mount it from the host`,
  }),
];

const migrateRow = rowOf("migrate");

/** Rows about what an upgrade from containerd 1.6 changes, for each plugin of conf.json and for all of them. */
export const migrateRows: Table = [
  migrateRow("migrate-cgroup-v1", "warning", {
    // On a node with cgroup v2 the row plugin-cgroup-v1-only reports this.
    when: ({ plugins, cgroup }) =>
      cgroup !== "v2" && plugins.filter((plugin) => plugin.cgroup !== "capture" && plugin.binary?.v1Only),
    what: ({ type, binary }) => `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")})`,
    why: "on a new node with cgroup v2 these files do not exist: the plugin fails, or does nothing and reports success",
    fix: ({ type }, facts) => `on the new node ${captureInCreate(facts, type)}`,
  }),
  migrateRow("migrate-lookup", "warning", {
    when: ({ plugins }) => plugins.filter(({ lookup, path, pathFirst }) => lookup.ok && (pathFirst ?? path) !== path),
    what: ({ type, path, pathFirst }) => `containerd 1.6 runs ${pathFirst} for ${type}, and the bridge ${path}`,
    why: "1.6 searched PATH first and the plugin directory last; the bridge searches the plugin directory first",
    fix: ({ path }, facts) => `nothing, if ${path} is meant; else ${setBridge(facts, ["lookup"], "path-first")}`,
    where: (_, { conf }) => conf.path,
  }),
  migrateRow("migrate-switch-on-nri", "warning", {
    when: (facts) => facts.plugins.length > 0 && mayNeedSwitch(facts),
    what: "containerd 1.7 has NRI switched off by default; 2.x and CRI-O 1.30 have it on",
    why: "after an upgrade to 1.7 no plugin runs, and containerd reports no error",
    fix: (_, { runtime }) =>
      `after the upgrade: ${
        runtime?.name === "containerd"
          ? switchNriOn(runtime)
          : 'in /etc/containerd/config.toml set disable = false under [plugins."io.containerd.nri.v1.nri"]'
      }`,
    where: (_, { runtime }) => runtime?.config.path ?? "/etc/containerd/config.toml",
  }),
];

/**
 * Whether NRI may be off after an upgrade of the runtime. False when the runtime speaks NRI v2 already, when its configuration has
 * faults, or when it switches NRI on in a section that containerd 1.6 ignores.
 */
function mayNeedSwitch({ runtime }: Facts): boolean {
  if (runtime !== undefined && speaksNri2(runtime) === true) return false;
  if (runtime?.name !== "containerd") return true;
  const { nri, faults } = runtime.config;
  return faults.length === 0 && !(nri.enabled && nri.at.enabled !== undefined);
}
