import { alarm, monotonicClock } from "../base/deadline.js";
import { attempt } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
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
      const text = `the bridge did not finish ${call.method} in the time that the runtime gave`;
      const error = new StatusError(Code.DeadlineExceeded, text);
      reject(error);
      call.cancellation.cancel(error);
    });
    new Promise<T>((run) => run(handler())).then(resolve, reject).finally(cancelAlarm);
  });
}

/** How often we look while calls come, in milliseconds; and when none has come for a while: each look wakes an idle machine. */
const tickMs = 100;
const idleTickMs = 1_500;
const idleAfterMs = 10_000;

/**
 * Notices when the event loop did not run: the process was stopped, or got no processor. What is read right after may have
 * waited for us since, so that the time it came with was over before we saw it.
 *
 * Between the rare looks of an idle bridge the kernel tells how long it had no processor. A stop shorter than that is not seen.
 */
export class StallWatch {
  private everyMs = tickMs;
  private timer = this.arm();
  private lastTick = monotonicClock();
  private lastCall = this.lastTick;
  private withoutProcessorMs = 0;
  private stall: { readonly from: number; readonly to: number } | undefined;
  /** Frames that are read in this turn of the event loop have waited: only a long message goes on coming after it. */
  private justEnded = false;

  /**
   * The runtime's time runs since it sent the message, and ours since we read it: the call with what is really left.
   * @param inParts it is long, and its first part may have come some turns of the event loop before
   */
  since(call: Call, inParts = false): Call {
    const waitedMs = this.waitedMs(inParts);
    this.lastCall = monotonicClock();
    if (this.everyMs !== tickMs) this.tick();
    return waitedMs === 0 ? call : { ...call, deadline: call.deadline.minus(waitedMs) };
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** How long a message that is read now may have waited for us at most; 0 when we were awake. */
  private waitedMs(inParts: boolean): number {
    const now = monotonicClock();
    const awayMs = this.awayMs(now);
    if (awayMs > 0) return awayMs;
    // Timers ring before sockets are read.
    if (this.stall === undefined || !(inParts ? now - this.stall.to < tickMs : this.justEnded)) return 0;
    return now - this.stall.from;
  }

  /** How long we were away since the last look, at most; 0 when we were awake. */
  private awayMs(now: number): number {
    const sinceMs = now - this.lastTick;
    const lateMs = sinceMs - this.everyMs;
    const waitedMs = this.everyMs === tickMs ? 0 : withoutProcessorMs() - this.withoutProcessorMs;
    // One that only waited for a processor had read before that all that came before.
    if (lateMs > tickMs && waitedMs < lateMs - tickMs) return sinceMs;
    return waitedMs > tickMs ? waitedMs : 0;
  }

  private tick(): void {
    const now = monotonicClock();
    const awayMs = this.awayMs(now);
    if (awayMs > 0) {
      this.stall = { from: now - awayMs, to: now };
      this.justEnded = true;
      // After the sockets of this turn.
      setImmediate(() => {
        this.justEnded = false;
      }).unref();
    }
    this.lastTick = now;
    this.everyMs = now - this.lastCall < idleAfterMs ? tickMs : idleTickMs;
    if (this.everyMs !== tickMs) this.withoutProcessorMs = withoutProcessorMs();
    clearTimeout(this.timer);
    this.timer = this.arm();
  }

  private arm(): NodeJS.Timeout {
    return setTimeout(() => this.tick(), this.everyMs).unref();
  }
}

/** How long our main thread has waited for a processor since it began, in milliseconds; 0 where the kernel does not count it. */
function withoutProcessorMs(): number {
  const text = attempt(() => readRegularFile("/proc/self/schedstat").toString());
  return Number(text?.split(" ")[1] ?? 0) / 1e6;
}
