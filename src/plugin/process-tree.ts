import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process as /proc/<pid>/stat shows it. */
export interface ProcessStat {
  readonly pid: number;
  /** `Z` for one that has ended and is not reaped. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
}

/** null when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything, parentheses and spaces too.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state = "", parent, group] = fields;
    return { pid, state, parent: Number(parent), group: Number(group) };
  } catch {
    return null;
  }
}

/** So many processes are looked at whatever the time: a child's pid is mostly near its parent's. */
const alwaysLooked = 128;

/**
 * The wanted ones among all processes from this pid up, so as not to look at all of /proc: after the pids have wrapped around
 * it may miss some. What is not found in so many milliseconds is not found.
 */
export function findProcesses(from: number, withinMs: number, isWanted: (pid: number) => boolean): number[] {
  const until = performance.now() + withinMs;
  const found: number[] = [];
  let looked = 0;
  for (const pid of readdirSync("/proc").map(Number)) {
    if (!(pid >= from)) continue;
    if (looked++ >= alwaysLooked && performance.now() > until) break;
    if (isWanted(pid)) found.push(pid);
  }
  return found;
}

/** The pipes that a process has as stdin, stdout and stderr, such as `pipe:[4026]`; Node's are `socket:[4026]`. */
export function stdioPipes(pid: number): Set<string> {
  const pipes = new Set<string>();
  for (const descriptor of [0, 1, 2]) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${descriptor}`);
      if (/^(pipe|socket):\[/.test(target)) pipes.add(target);
    } catch {
      // Closed, or the process has ended, or is not ours to see.
    }
  }
  return pipes;
}
