import type { Facts, PluginFacts } from "../facts.js";
import type { Finding } from "../finding.js";
import { setBridge } from "../fixes.js";

/** Plugins that write to cgroup v1, on a node that has v2. */
export function cgroupFindings(facts: Facts): readonly Finding[] {
  const { plugins, cgroup, self } = facts;
  const captures = plugins.filter((plugin) => plugin.cgroup === "capture");
  const found = cgroup.version === "v2" ? plugins.flatMap((plugin) => v1Finding(plugin, facts)) : [];
  const [first] = captures;
  if (first === undefined || self.sysAdmin !== false) return found;
  const asked = captures.filter((plugin) => !plugin.cgroupAuto);
  const names = captures.map(({ type }) => type).join(", ");
  return [
    ...found,
    {
      id: "capture-needs-sysadmin",
      severity: asked.length > 0 ? "error" : "warning",
      what: `CAP_SYS_ADMIN is missing, and ${names} is to run with captured cgroup writes`,
      why: "the plugin's own view of cgroup v1 is a mount namespace, which cannot be made without it",
      fix: "run the bridge as root with CAP_SYS_ADMIN (securityContext.capabilities.add: [SYS_ADMIN]), or set cgroup: host for these plugins",
      where: "/proc/self/status",
    },
  ];
}

/** Whether a plugin holds names of cgroup v1's files and none of v2's. */
export function isV1Only({ binary }: PluginFacts): boolean {
  return binary !== undefined && binary.v1Names.length > 0 && binary.v2Names.length === 0;
}

function v1Finding(plugin: PluginFacts, { bridge }: Facts): readonly Finding[] {
  const { type, binary, lookup, cgroup } = plugin;
  if (binary === undefined || binary.v1Names.length === 0 || cgroup === "capture") return [];
  const where = lookup.ok ? lookup.path : "";
  const fix = setBridge(bridge, ["plugins", type, "cgroup"], "capture");
  if (!isV1Only(plugin)) {
    return [
      {
        id: "plugin-cgroup-v1-and-v2",
        severity: "info",
        what: `${type} holds names of cgroup v1 (${binary.v1Names[0]}) and of v2 (${binary.v2Names[0]})`,
        why: "this node has cgroup v2 alone; whether the plugin can do with it, only a test shows",
        fix: `nri-v01-bridge exec ${type} --container ID # if it fails: ${fix}`,
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
      fix: `${fix} # the plugin gets its own v1 view, and what it writes is applied; phase: create makes it last`,
      where,
    },
  ];
}
