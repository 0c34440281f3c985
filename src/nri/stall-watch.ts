import { type Clock, monotonicClock } from "../deadline.js";

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

  constructor(private readonly clock: Clock = monotonicClock) {
    this.lastTick = clock();
    this.timer = setInterval(() => this.tick(), tickMs).unref();
  }

  /** How long, in milliseconds, a message that is read now may have waited for us at most; 0 when we were awake. */
  waitedMs(): number {
    const now = this.clock();
    if (now - this.lastTick > 2 * tickMs) return now - this.lastTick;
    // Timers ring before sockets are read.
    return this.stall !== undefined && now - this.stall.to < tickMs ? now - this.stall.from : 0;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = this.clock();
    if (now - this.lastTick > 2 * tickMs) this.stall = { from: this.lastTick, to: now };
    this.lastTick = now;
  }
}
