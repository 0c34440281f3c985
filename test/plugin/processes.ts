import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

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

/** proc(5): not in every kernel. */
const hasChildren = existsSync(`/proc/self/task/${process.pid}/children`);

export function children(pid: number): number[] {
  if (hasChildren) return tasksOf(pid).flatMap((task) => childrenOfTask(pid, task));
  return readdirSync("/proc")
    .map(Number)
    .filter((child) => child > 0 && statOf(child)?.parent === pid);
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A task may end meanwhile, and its children are another's then. */
function childrenOfTask(pid: number, task: string): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
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
