import { Serial } from "../base/serial.js";

/**
 * The runs of observers (`async: true`): one after the other for one pod or container, in parallel for different ones, and within
 * two limits (runs at a time, runs that wait), so that a slow observer cannot fill the node.
 */
export class Observers {
  private readonly serial = new Serial();
  private running = 0;
  private waiting = 0;
  /** One callback for each run whose turn has come and that waits until a running one ends. */
  private readonly ready: (() => void)[] = [];
  private closed = false;

  constructor(private readonly limits = { running: 32, waiting: 1000 }) {}

  /**
   * Queues a run. The promise settles when the run has ended. Returns null, and drops the run, when too many runs wait already;
   * `owed` runs are never dropped.
   */
  run(id: string, work: () => Promise<unknown>, { owed = false } = {}): Promise<void> | null {
    if (!owed && this.waiting >= this.limits.waiting) return null;
    this.waiting += 1;
    return this.serial.run(id, async () => {
      if (this.running < this.limits.running) this.running += 1;
      else await new Promise<void>((takePlace) => this.ready.push(takePlace));
      this.waiting -= 1;
      try {
        if (!this.closed) await work();
      } finally {
        const takePlace = this.ready.shift();
        if (takePlace === undefined) this.running -= 1;
        else takePlace();
      }
    });
  }

  /** Starts no further run; runs that wait end without doing their work. */
  close(): void {
    this.closed = true;
  }

  /** Resolves when all runs that were queued so far have ended. */
  idle(): Promise<void> {
    return this.serial.idle();
  }
}
