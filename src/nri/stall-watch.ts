import { type Clock, monotonicClock } from "../base/deadline.js";

/** How often we look, in milliseconds. */
const tickMs = 100;

/**
 * Notices when the event loop did not run: the process was stopped, or got no processor. What is read right after may have
 * waited for us since, so that the time it came with was over before we saw it.
 */
export class StallWatch {
  private readonly timer: NodeJS.Timeout;
  private lastTick: number;
  private stall: { readonly from: number; readonly to: number } | undefined;
  /** What is read in this turn of the event loop has waited: only a long message goes on coming after it. */
  private justEnded = false;

  constructor(private readonly clock: Clock = monotonicClock) {
    this.lastTick = clock();
    this.timer = setInterval(() => this.tick(), tickMs).unref();
  }

  /**
   * How long, in milliseconds, a message that is read now may have waited for us at most; 0 when we were awake.
   *
   * @param inParts it is long, and its first part may have come some turns of the event loop before
   */
  waitedMs(inParts = false): number {
    const now = this.clock();
    if (now - this.lastTick > 2 * tickMs) return now - this.lastTick;
    // Timers ring before sockets are read.
    if (this.stall === undefined || !(inParts ? now - this.stall.to < tickMs : this.justEnded)) return 0;
    return now - this.stall.from;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = this.clock();
    if (now - this.lastTick > 2 * tickMs) {
      this.stall = { from: this.lastTick, to: now };
      this.justEnded = true;
      // After the sockets of this turn.
      setImmediate(() => {
        this.justEnded = false;
      }).unref();
    }
    this.lastTick = now;
  }
}
