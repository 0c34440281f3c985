import type { LinuxResources } from "../v01/resources.js";
import type { Asks } from "./asks.js";

/** The groups of resources whose fields have the names of adjust keys. */
const groups = ["cpu", "memory", "pids"] as const satisfies readonly (keyof LinuxResources)[];

/** What cgroup v2 has no file for: a plugin that writes it there is told of it, and nothing else is lost. */
const v1Only: ReadonlySet<string> = new Set([
  "cpu.realtimeRuntime",
  "cpu.realtimePeriod",
  "memory.kernel",
  "memory.kernelTCP",
  "memory.swappiness",
  "memory.disableOOMKiller",
  "memory.useHierarchy",
]);

/** Asks for what a plugin wrote into its captured cgroup, read back as the kernel reads it. */
export function readCaptured(captured: LinuxResources, asks: Asks): void {
  for (const group of groups) {
    for (const [field, value] of Object.entries(captured[group] ?? {})) add(`${group}.${field}`, String(value), asks);
  }
  for (const { pageSize, limit } of captured.hugepageLimits ?? []) add(`hugepage.${pageSize}`, String(limit), asks);
  for (const [file, value] of Object.entries(captured.unified ?? {})) add(`unified.${file}`, value, asks);
}

function add(key: string, value: string, asks: Asks): void {
  asks.add({ label: `cgroup write of ${key}`, key, value, ...(v1Only.has(key) ? { whenIdle: "warn" } : {}) });
}
