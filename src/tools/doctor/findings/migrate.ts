import type { Facts } from "../facts.js";
import { rowOf, type Table } from "../finding.js";
import { setBridge } from "../fixes.js";
import { speaksNri2, switchNriOn } from "./runtime.js";

const row = rowOf("migrate");

/** What an upgrade from containerd 1.6 changes: for each plugin of conf.json, and for all of them. */
export const migrateRows: Table = [
  row({
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
  row({
    id: "migrate-cgroup-v1",
    severity: "warning",
    // On a v2 node the finding of today says it.
    when: ({ plugins, cgroup }) =>
      cgroup.version !== "v2" && plugins.filter((plugin) => plugin.cgroup !== "capture" && plugin.binary?.v1Only),
    what: ({ type, binary }) => `${type} writes to cgroup v1 (${binary?.v1Names.slice(0, 3).join(", ")})`,
    why: "on a new node with cgroup v2 the files are not there: it fails, or does nothing and says all is well",
    fix: ({ type }, facts) => `on the new node ${setBridge(facts, ["plugins", type, "cgroup"], "capture")}`,
    where: ({ path }) => path,
  }),
  row({
    id: "migrate-lookup",
    severity: "warning",
    when: ({ plugins }) => plugins.filter(({ path, pathFirst }) => path !== "" && (pathFirst ?? path) !== path),
    what: ({ type, path, pathFirst }) => `${type} is ${pathFirst} under containerd 1.6, and will be ${path}`,
    why: "1.6 looked along PATH first and in the plugin directory last; the bridge does it the other way round",
    fix: ({ path }, facts) => `nothing, if ${path} is the plugin; else ${setBridge(facts, ["lookup"], "path-first")}`,
    where: (_, { conf }) => conf.path,
  }),
  row({
    id: "migrate-relative-type",
    severity: "warning",
    when: ({ plugins }) => plugins.filter(({ type }) => type.includes("/") && !type.startsWith("/")),
    what: ({ type }) => `${type} is a path relative to containerd's working directory, and will be /${type}`,
    why: "the bridge runs plugins in /",
    fix: (_, { conf }) => `write the absolute path as "type" in ${conf.path}`,
    where: ({ index }, { conf }) => `${conf.path}#/plugins/${index}`,
  }),
  row({
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
