/** Milliseconds on a clock that never goes back. */
export type Clock = () => number;

/** The machine's monotonic clock. */
export const monotonicClock: Clock = () => performance.now();

/** A point in time by which something has to be done. */
export class Deadline {
  private constructor(
    private readonly atMs: number,
    private readonly clock: Clock,
  ) {}

  /** A deadline so many milliseconds from now; Infinity for none. */
  static after(ms: number, clock: Clock = monotonicClock): Deadline {
    return new Deadline(clock() + ms, clock);
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.atMs - this.clock());
  }

  get expired(): boolean {
    return this.remainingMs() === 0;
  }

  /** The same deadline, moved forward by a margin in milliseconds. */
  minus(marginMs: number): Deadline {
    return new Deadline(this.atMs - marginMs, this.clock);
  }

  /** The earlier of this deadline and one so many milliseconds from now. */
  within(ms: number): Deadline {
    return new Deadline(Math.min(this.atMs, this.clock() + ms), this.clock);
  }
}
