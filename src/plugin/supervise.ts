import { alarm } from "../base/deadline.js";
import { ProcessGroup } from "./process-group.js";
import type { Exit, RunningProcess } from "./spawner.js";
import type { RunOptions } from "./start.js";

export interface Supervision extends Exit {
  readonly timedOut: boolean;
  readonly killed: boolean;
}

/** A process that SIGKILL does not end hangs in the kernel; the call's answer cannot wait for it. */
const reapGraceMs = 100;

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
    private readonly options: Pick<RunOptions, "terminateAt" | "killAt">,
    private readonly signal?: AbortSignal,
  ) {
    this.group = new ProcessGroup(process.pid);
  }

  /** Ends the group now. */
  kill(): void {
    if (this.killed || this.ended) return;
    this.killed = true;
    this.group.kill();
    const timer = setTimeout(() => this.giveUp({ exitCode: null, signal: null }), reapGraceMs);
    this.cancels.push(() => clearTimeout(timer));
  }

  /** Settles when the process has ended, or when it did not although it was killed. */
  async wait(): Promise<Supervision> {
    const { signal } = this;
    const { terminateAt, killAt } = this.options;
    const unreaped = new Promise<Exit>((resolve) => {
      this.giveUp = resolve;
    });
    const onAbort = (): void => this.kill();
    signal?.addEventListener("abort", onAbort);
    this.cancels.push(
      alarm(terminateAt, () => {
        this.timedOut = true;
        this.group.terminate();
      }),
      alarm(killAt, () => {
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
