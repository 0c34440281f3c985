import { descendantsOf, groupMembers, livesOutside, type ProcessStat, pipeSharers } from "./process-tree.js";

/** A call's answer waits for it: what is not found by then is not told of. */
const searchMs = 20;

/** The process group that a plugin leads, and what of the plugin was seen to leave it. */
export class ProcessGroup {
  private readonly seen = new Map<number, ProcessStat>();

  /** `leader` is the plugin's pid and its group's number. */
  constructor(readonly leader: number) {}

  terminate(): void {
    this.recordDescendants();
    this.send("SIGTERM");
    // A stopped process gets its SIGTERM only when it goes on.
    this.send("SIGCONT");
  }

  kill(): void {
    this.recordDescendants();
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

  members(): number[] {
    return groupMembers(this.leader);
  }

  /** Processes that were seen as descendants of the plugin, left the group and live. */
  deserters(): number[] {
    return [...this.seen.values()].filter((process) => livesOutside(process, this.leader)).map(({ pid }) => pid);
  }

  private recordDescendants(): void {
    const descendants = descendantsOf(this.leader);
    const pids = descendants.map(({ pid }) => pid);
    const sharers = pipeSharers([this.leader, ...pids], searchMs);
    for (const process of [...descendants, ...sharers]) this.seen.set(process.pid, process);
  }

  private send(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.leader, signal);
    } catch {
      // Nobody is left, or nobody that we may end: the run's result says who lives on.
    }
  }
}
