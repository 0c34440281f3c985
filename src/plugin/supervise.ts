import type { Deadline } from "../base/deadline.js";
import { ProcessGroup } from "./process-group.js";
import type { SpawnOptions } from "./spawner.js";

/** How a process ended; both null when it could not be reaped in time. */
export interface Exit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly pid: number;
  /** Never rejects. */
  readonly exited: Promise<Exit>;
}

export interface Supervision extends Exit {
  readonly timedOut: boolean;
  readonly killed: boolean;
}

/** A process that SIGKILL does not end hangs in the kernel; the call's answer cannot wait for it. */
const reapGraceMs = 100;
/** The longest that setTimeout knows. */
const maxTimerMs = 2 ** 31 - 1;

/** Keeps one process to its deadlines, from its start to its end. */
export class Supervisor {
  readonly group: ProcessGroup;
  private timedOut = false;
  private killed = false;
  private ended = false;
  private readonly cancels: Array<() => void> = [];
  private giveUp: (exit: Exit) => void = () => {};

  constructor(
    private readonly process: RunningProcess,
    private readonly options: Pick<SpawnOptions, "terminateAt" | "killAt" | "signal">,
  ) {
    this.group = new ProcessGroup(process.pid);
  }

  /** Ends the group now. */
  kill(): void {
    if (this.killed || this.ended) return;
    this.killed = true;
    this.group.kill();
    this.cancels.push(after(reapGraceMs, () => this.giveUp({ exitCode: null, signal: null })));
  }

  /** Settles when the process has ended, or when it did not although it was killed. */
  async wait(): Promise<Supervision> {
    const { terminateAt, killAt, signal } = this.options;
    const unreaped = new Promise<Exit>((resolve) => {
      this.giveUp = resolve;
    });
    const onAbort = (): void => this.kill();
    signal?.addEventListener("abort", onAbort);
    this.cancels.push(
      at(terminateAt, () => {
        this.timedOut = true;
        this.group.terminate();
      }),
      at(killAt, () => {
        this.timedOut = true;
        this.kill();
      }),
      () => signal?.removeEventListener("abort", onAbort),
    );
    if (signal?.aborted) this.kill();
    const exit = await Promise.race([this.process.exited, unreaped]);
    this.ended = true;
    for (const cancel of this.cancels) cancel();
    return { ...exit, timedOut: this.timedOut, killed: this.killed };
  }
}

function at(deadline: Deadline, action: () => void): () => void {
  const leftMs = deadline.remainingMs();
  return leftMs > maxTimerMs ? () => {} : after(leftMs, action);
}

function after(ms: number, action: () => void): () => void {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
}
