import { alarm, monotonicClock } from "../base/deadline.js";
import type { Call } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";

/** Milliseconds kept for the way back of an answer that has to be in time; at most a quarter of the call's time. */
const marginMs = 50;

/**
 * Runs a call's handler and answers in its place with DeadlineExceeded, shortly before the runtime gives up: an error
 * that comes in time costs one event, no answer costs the plugin its connection without a word. What the handler still
 * gives then is dropped; the call's cancellation tells it, as it does when the connection ends.
 */
export function answerInTime<T>(call: Call, handler: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const margin = Math.min(marginMs, call.deadline.remainingMs() / 4);
    const cancelAlarm = alarm(call.deadline.minus(margin), () => {
      const text = `${call.method} was not done in the time that the runtime gave`;
      const error = new StatusError(Code.DeadlineExceeded, text);
      reject(error);
      call.cancellation.cancel(error);
    });
    new Promise<T>((run) => run(handler())).then(resolve, reject).finally(cancelAlarm);
  });
}

/** How often we look, in milliseconds. */
const tickMs = 100;

/**
 * Notices when the event loop did not run: the process was stopped, or got no processor. What is read right after may have
 * waited for us since, so that the time it came with was over before we saw it.
 */
export class StallWatch {
  private readonly timer = setInterval(() => this.tick(), tickMs).unref();
  private lastTick = monotonicClock();
  private stall: { readonly from: number; readonly to: number } | undefined;
  /** Frames that are read in this turn of the event loop have waited: only a long message goes on coming after it. */
  private justEnded = false;

  /**
   * The runtime's time runs since it sent the message, and ours since we read it: the call with what is really left.
   * @param inParts it is long, and its first part may have come some turns of the event loop before
   */
  since(call: Call, inParts = false): Call {
    const waitedMs = this.waitedMs(inParts);
    return waitedMs === 0 ? call : { ...call, deadline: call.deadline.minus(waitedMs) };
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** How long a message that is read now may have waited for us at most; 0 when we were awake. */
  private waitedMs(inParts: boolean): number {
    const now = monotonicClock();
    if (now - this.lastTick > 2 * tickMs) return now - this.lastTick;
    // Timers ring before sockets are read.
    if (this.stall === undefined || !(inParts ? now - this.stall.to < tickMs : this.justEnded)) return 0;
    return now - this.stall.from;
  }

  private tick(): void {
    const now = monotonicClock();
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
