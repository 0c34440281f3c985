import { existsSync, readFileSync } from "node:fs";
import { runCommand } from "./command.js";

/** What some scenarios need of the machine they run on. */
export const needs = {
  compiler: "a C compiler (cc), for a compiled plugin",
  cgroupV1: "a cgroup v1 cpu controller, for a plugin that writes to it",
  hugetlb: "a hugetlb controller, for hugepage limits in the OCI spec",
} as const;

export type Need = keyof typeof needs;

/** What of it this machine does not have. */
export async function findMissingNeeds(): Promise<ReadonlySet<Need>> {
  const missing = new Set<Need>();
  if (!(await hasCompiler())) missing.add("compiler");
  if (!existsSync("/sys/fs/cgroup/cpu/cpu.shares")) missing.add("cgroupV1");
  const unified = readFileSync("/proc/self/cgroup", "utf8").startsWith("0::");
  if (!unified && !existsSync("/sys/fs/cgroup/hugetlb")) missing.add("hugetlb");
  return missing;
}

/** Whether compiled plugins can be made on this machine. */
export async function hasCompiler(): Promise<boolean> {
  return (await runCommand("/bin/sh", ["-c", "command -v cc"])).code === 0;
}
