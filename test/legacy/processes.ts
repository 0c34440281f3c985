import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { readProcessStat } from "../../src/legacy/process-tree.js";

/** Alive and no zombie. */
export function isAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
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
    .filter((child) => child > 0 && readProcessStat(child)?.parent === pid);
}

export function zombies(): number[] {
  return children(process.pid).filter((pid) => readProcessStat(pid)?.state === "Z");
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
