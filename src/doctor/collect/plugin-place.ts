import { pluginSettings } from "../../config/merge.js";
import type { Config } from "../../config/schema.js";
import type { PluginFacts } from "../facts.js";

/** Where a plugin runs: its phase, and which cgroups it sees there. */
export function placeOf(config: Config, type: string): Pick<PluginFacts, "phase" | "cgroup" | "cgroupAuto"> {
  const { phase, cgroup } = pluginSettings(config, type);
  if (cgroup !== "auto") return { phase, cgroup, cgroupAuto: false };
  // A container that does not exist yet has no cgroup that a plugin could see.
  return { phase, cgroup: phase === "create" ? "capture" : "host", cgroupAuto: true };
}
