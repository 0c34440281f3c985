import type { LinuxResources } from "../v01/resources.js";
import type { Asks } from "./asks.js";
import type { AdjustmentContext } from "./types.js";

/** The groups of resources whose fields have the names of adjust keys. */
const groups = ["cpu", "memory", "pids"] as const satisfies readonly (keyof LinuxResources)[];

/**
 * Asks for what a plugin wrote into its captured cgroup, read back as the kernel reads it. What this runtime does not carry is a
 * lost write.
 */
export function readCaptured(captured: LinuxResources, lostWrites: AdjustmentContext["lostWrites"], asks: Asks): void {
  const lost = lostWrites === "warn" ? ({ whenIdle: "warn" } as const) : {};
  const add = (key: string, value: string) => asks.add({ label: `cgroup write of ${key}`, key, value, ...lost });
  for (const group of groups) {
    for (const [field, value] of Object.entries(captured[group] ?? {})) add(`${group}.${field}`, String(value));
  }
  for (const { pageSize, limit } of captured.hugepageLimits ?? []) add(`hugepage.${pageSize}`, String(limit));
  for (const [file, value] of Object.entries(captured.unified ?? {})) add(`unified.${file}`, value);
  for (const rule of captured.devices ?? []) asks.add({ ...deviceRule(rule), ...lost });
}

/** A rule stands for itself: in the kernel, as in a spec, each counts and the later one wins. */
function deviceRule({
  allow,
  type = "a",
  major,
  minor,
  access = "rwm",
}: NonNullable<LinuxResources["devices"]>[number]) {
  const value = `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;
  const label = `cgroup write of devices.${allow ? "allow" : "deny"}`;
  const rule = {
    allow,
    type,
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
    access,
  };
  const write = {
    ok: true,
    value: { into: "resources", apply: (draft) => draft.devices.push(rule) },
  } as const satisfies Parameters<Asks["add"]>[0]["write"];
  const spec = { gate: { phases: ["create"], since: "0.10" }, parse: () => write } as const;
  const resolved = { spec, field: `${label} ${value}`, name: "", removes: false };
  return { label, key: "", value, write, resolved };
}
