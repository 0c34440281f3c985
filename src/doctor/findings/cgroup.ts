import type { Facts, PluginFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { setBridge } from "../fixes.js";

/** Plugins that write to cgroup v1, on a node that has v2; and captured views where none can be made. */
export function cgroupFindings(facts: Facts): readonly Finding[] {
  const { plugins, cgroup } = facts;
  const found = cgroup.version === "v2" ? plugins.flatMap((plugin) => v1Finding(plugin, facts)) : [];
  return [...found, ...noCapture(facts)];
}

function noCapture({ plugins, capture, bridge }: Facts): readonly Finding[] {
  if (capture === undefined || capture.ok) return [];
  const captured = plugins.filter((plugin) => plugin.cgroup === "capture");
  if (captured.length === 0) return [];
  const names = captured.map(({ type }) => type).join(", ");
  const asked = captured.some((plugin) => !plugin.cgroupAuto);
  return [
    {
      id: "capture-impossible",
      severity: asked ? "error" : "warning",
      what: `no captured cgroup view can be made for ${names}: ${capture.reason}`,
      why: asked
        ? "with cgroup: capture the plugin's run fails, and with it the create"
        : "with cgroup: auto the plugin sees the node's own cgroups, where the container's is not made yet",
      fix: capture.remedy,
      where: bridge.file ?? bridge.config.confFile,
    },
  ];
}

/** Whether a plugin holds names of cgroup v1's files and none of v2's. */
export function isV1Only({ binary }: PluginFacts): boolean {
  return binary !== undefined && binary.v1Names.length > 0 && binary.v2Names.length === 0;
}

function v1Finding(plugin: PluginFacts, facts: Facts): readonly Finding[] {
  const { type, binary, lookup, cgroup } = plugin;
  if (binary === undefined || binary.v1Names.length === 0 || cgroup === "capture") return [];
  const where = lookup.ok ? lookup.path : "";
  const { capture } = facts;
  const set = setBridge(facts, ["plugins", type, "cgroup"], "capture");
  // Where no view can be made, each create of the plugin would fail with it.
  const fix =
    capture?.ok === false ? `first ${capture.remedy.replace(/; or set cgroup: host$/, "")}; then ${set}` : set;
  if (!isV1Only(plugin)) {
    return [
      {
        id: "plugin-cgroup-v1-and-v2",
        severity: "info",
        what: `${type} holds names of cgroup v1 (${binary.v1Names[0]}) and of v2 (${binary.v2Names[0]})`,
        why: "this node has cgroup v2 alone; whether the plugin can do with it, only a test shows",
        fix: `look at what it does with one pod; if it fails: ${fix}`,
        where,
      },
    ];
  }
  return [
    {
      id: "plugin-cgroup-v1-only",
      severity: "warning",
      what: `${type} writes to cgroup v1 (${binary.v1Names.slice(0, 3).join(", ")}), and this node has v2 alone`,
      why: "the files are not there: the plugin fails, or does nothing and says all is well",
      fix: `${fix} (the plugin gets its own v1 view, and what it writes is applied; with phase: create it lasts)`,
      where,
    },
  ];
}
