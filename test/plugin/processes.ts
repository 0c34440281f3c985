import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { attempt } from "../../src/base/errors.js";
import { type ProcessStat, readProcessStat } from "../../src/host/proc.js";

export function statOf(pid: number): ProcessStat | null {
  const stat = readProcessStat(pid, "/proc");
  return typeof stat === "string" ? null : stat;
}

/** Alive and no zombie. */
export function isAlive(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && stat.state !== "Z";
}

export async function until(condition: () => boolean, withinMs = 5_000): Promise<boolean> {
  for (const end = performance.now() + withinMs; performance.now() < end; await sleep(10)) {
    if (condition()) return true;
  }
  return condition();
}

export function children(pid: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((child) => child > 0 && statOf(child)?.parent === pid);
}

export function zombies(): number[] {
  return children(process.pid).filter((pid) => statOf(pid)?.state === "Z");
}

/** The pids of those whose command line holds a text. */
export function processesWith(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(text);
      } catch {
        return false;
      }
    });
}

/** Ends what a test left running on purpose. */
export function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

export function commandLine(pid: number): string {
  return attempt(() => readFileSync(`/proc/${pid}/cmdline`, "latin1")) ?? "";
}
