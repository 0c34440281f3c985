import { readdirSync, readFileSync, readlinkSync } from "node:fs";

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
 * Who else has the pipes of these processes as stdin, stdout or stderr: what descends from them and was handed to init. Looks at
 * pids from the first one's up, for so many milliseconds at most.
 */
export function pipeSharers(pids: readonly [number, ...number[]], withinMs: number): ProcessStat[] {
  const until = performance.now() + withinMs;
  const pipes = new Set(pids.flatMap(stdioPipes));
  const found: ProcessStat[] = [];
  if (pipes.size === 0) return found;
  for (const pid of readdirSync("/proc").map(Number)) {
    if (performance.now() > until) break;
    if (!(pid > pids[0]) || pid === process.pid || pids.includes(pid)) continue;
    if (!stdioPipes(pid).some((pipe) => pipes.has(pipe))) continue;
    const stat = readProcessStat(pid);
    if (stat !== null) found.push(stat);
  }
  return found;
}

/** Such as `pipe:[4026]`. */
function stdioPipes(pid: number): string[] {
  return [0, 1, 2].flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      return target.startsWith("pipe:[") ? target : [];
    } catch {
      return [];
    }
  });
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
