import { findProcesses, readProcessStat, stdioPipes } from "./process-tree.js";

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
    const stat = readProcessStat(pid);
    return stat === null || stat.state === "Z" ? undefined : stat.group === this.leader;
  }

  private send(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.leader, signal);
    } catch {
      // Nobody is left, or nobody that we may end: the run's result says who lives on.
    }
  }
}
