import { Serial } from "../base/serial.js";

/**
 * The runs of observers (`async: true`): in order for each pod or container, side by side for different ones, and never
 * more than the limits, so that a slow observer cannot fill the node.
 */
export class Observers {
  private readonly serial = new Serial();
  private running = 0;
  private waiting = 0;
  /** Those whose turn has come, and that wait for the place of one that runs. */
  private readonly ready: (() => void)[] = [];
  private closed = false;

  constructor(private readonly limits = { running: 32, waiting: 1000 }) {}

  /** Takes a run in, and settles when it has ended; null when too many wait already: it is dropped, unless it is owed. */
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

  /** Starts no run any more. */
  close(): void {
    this.closed = true;
  }

  /** Resolves when what has been taken in so far has ended. */
  idle(): Promise<void> {
    return this.serial.idle();
  }
}
