import { readdirSync, readFileSync } from "node:fs";

/** A process as /proc/<pid>/stat shows it. A pid is used again; a pid and its start time are not. */
export interface ProcessStat {
  readonly pid: number;
  /** `Z` for one that has ended and is not reaped. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  /** Clock ticks since the machine started. */
  readonly startTime: string;
}

/** null when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything, parentheses and spaces too.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state = "", parent, group] = fields;
    return { pid, state, parent: Number(parent), group: Number(group), startTime: fields[19] ?? "" };
  } catch {
    return null;
  }
}

/** Children, their children and so on. Those whose parent has ended are lost to it: init is their parent now. */
export function descendantsOf(pid: number): ProcessStat[] {
  const found: ProcessStat[] = [];
  const seen = new Set([pid]);
  const pending = [pid];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    for (const child of childrenOf(parent)) {
      if (seen.has(child)) continue;
      seen.add(child);
      pending.push(child);
      const stat = readProcessStat(child);
      if (stat !== null) found.push(stat);
    }
  }
  return found;
}

/**
 * The living members of a process group. Looks at pids from the leader's up, so as not to read all of /proc: after the
 * pids have wrapped around it may miss some.
 */
export function groupMembers(group: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid >= group)
    .filter((pid) => {
      const stat = readProcessStat(pid);
      return stat !== null && stat.group === group && stat.state !== "Z";
    });
}

/** Whether it is still the process that was seen, outside of the group, and alive. */
export function livesOutside(seen: ProcessStat, group: number): boolean {
  const now = readProcessStat(seen.pid);
  return now !== null && now.startTime === seen.startTime && now.group !== group && now.state !== "Z";
}

/** Needs CONFIG_PROC_CHILDREN, as all distributions have it; without it nothing is known. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")
        .split(" ")
        .filter((child) => child !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}
