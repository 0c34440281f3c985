import type { Config } from "../../config/schema.js";
import type { PluginFacts } from "../facts.js";

/** Where a plugin runs: its phase, and which cgroups it sees there. */
export function placeOf(config: Config, type: string): Pick<PluginFacts, "phase" | "cgroup" | "cgroupAuto"> {
  const own: object = (Object.hasOwn(config.plugins, type) ? config.plugins[type] : undefined) ?? {};
  const phase = choose([own, config], "phase", ["start", "create"]) ?? "start";
  const cgroup = choose([own, config], "cgroup", ["auto", "host", "capture"]) ?? "auto";
  if (cgroup !== "auto") return { phase, cgroup, cgroupAuto: false };
  return { phase, cgroup: phase === "create" ? "capture" : "host", cgroupAuto: true };
}

/** The first of the layers that has this key with one of these values. */
function choose<const T extends string>(layers: readonly object[], key: string, choices: readonly T[]): T | undefined {
  for (const layer of layers) {
    const value: unknown = Reflect.get(layer, key);
    const choice = choices.find((candidate) => candidate === value);
    if (choice !== undefined) return choice;
  }
  return undefined;
}
