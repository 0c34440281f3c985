import { readdirSync, readlinkSync } from "node:fs";
import { hasEnded, readProcessStat } from "../host/proc.js";

/** A call's answer waits for it: what is not found by then is not told of. */
const searchMs = 20;

/**
 * The process group that a plugin leads. A signal goes out before anything is looked for: a plugin may have thousands of
 * processes.
 */
export class ProcessGroup {
  /** Of the leader, from before its end: then nobody knows them any more. */
  private pipes: ReadonlySet<string> | undefined;

  /** `leader` is the plugin's pid and its group's number. */
  constructor(readonly leader: number) {}

  terminate(): void {
    this.pipes ??= stdioPipes(this.leader);
    this.send("SIGTERM");
    // A stopped process gets its SIGTERM only when it goes on.
    this.send("SIGCONT");
  }

  kill(): void {
    this.pipes ??= stdioPipes(this.leader);
    this.send("SIGKILL");
  }

  /**
   * SIGKILL to what the leader left behind, for the moment in which it has been reaped: its number stays taken while
   * the group has members, and when it has none, nobody has got it anew within the same turn.
   */
  killRest(): void {
    this.send("SIGKILL");
  }

  isAlive(): boolean {
    try {
      process.kill(-this.leader, 0);
      return true;
    } catch (thrown) {
      // EPERM: members that have become another user.
      return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
    }
  }

  /** The living members, as many as are found in time. */
  members(): number[] {
    return findProcesses(this.leader, searchMs, (pid) => this.has(pid) === true);
  }

  /** Of a group that was ended: living processes outside of it that have the plugin's pipes, as many as are found in time. */
  deserters(): number[] {
    const { pipes } = this;
    if (pipes === undefined || pipes.size === 0) return [];
    const shares = (pid: number) => [...stdioPipes(pid)].some((pipe) => pipes.has(pipe));
    return findProcesses(this.leader, searchMs, (pid) => shares(pid) && this.has(pid) === false);
  }

  /** undefined when it has ended. */
  private has(pid: number): boolean | undefined {
    const stat = readProcessStat(pid, "/proc");
    return typeof stat === "string" || hasEnded(stat) ? undefined : stat.group === this.leader;
  }

  private send(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.leader, signal);
    } catch {
      // Nobody is left, or nobody that we may end: the run's result says who lives on.
    }
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
function stdioPipes(pid: number): Set<string> {
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
