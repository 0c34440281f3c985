import { alarm, monotonicClock } from "../base/deadline.js";
import { attempt } from "../base/errors.js";
import { readRegularFile } from "../base/files.js";
import type { Call } from "./ttrpc/server.js";
import { Code, StatusError } from "./ttrpc/status.js";

/**
 * How long before a call's deadline the bridge answers in place of the handler, in milliseconds, so that the answer reaches the
 * runtime in time; at most a quarter of the call's remaining time.
 */
const marginMs = 50;

/**
 * Runs the handler of a call. If the handler has not ended shortly before the runtime gives up, the promise rejects with
 * DeadlineExceeded instead: an error in time fails one event, but a missing answer makes the runtime close the connection without a
 * message. The handler's later result is dropped, and the call's `cancellation` notifies the handler.
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

/** How often StallWatch checks the event loop while calls come, in milliseconds. */
const tickMs = 100;
/** How often StallWatch checks when no call has come for `idleAfterMs`, in milliseconds: each check wakes an idle machine. */
const idleTickMs = 1_500;
const idleAfterMs = 10_000;

/**
 * Notices when the bridge's event loop did not run, because the bridge was stopped or got no CPU time. A call that the bridge reads
 * right after such a stall may have waited in the socket all the time, so that less of the runtime's timeout remains than the call
 * states, or nothing.
 *
 * While the bridge is idle and checks rarely, the kernel's count shows how long the bridge waited for a CPU. A stop (SIGSTOP)
 * shorter than the time between two checks is then not noticed.
 */
export class StallWatch {
  private everyMs = tickMs;
  private timer = this.arm();
  private lastTick = monotonicClock();
  private lastCall = this.lastTick;
  private withoutProcessorMs = 0;
  private stall: { readonly from: number; readonly to: number } | undefined;
  /**
   * Whether a stall ended in this turn of the event loop. Frames read in this turn have waited in the socket; in later turns only
   * the rest of a long message has.
   */
  private justEnded = false;

  /**
   * The call with its deadline moved to the time when the runtime gives up. The runtime's timeout runs from when it
   * sent the call, but the bridge's deadline from when the bridge read it.
   * @param inParts whether the call's message is long, so that its first part may have come some turns of the event
   *   loop ago
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

  /** The longest time that a message read now may have waited in the socket, in milliseconds; 0 without a stall. */
  private waitedMs(inParts: boolean): number {
    const now = monotonicClock();
    const awayMs = this.awayMs(now);
    if (awayMs > 0) return awayMs;
    // Node runs timers before it reads sockets, so the tick may have noticed the stall already.
    if (this.stall === undefined || !(inParts ? now - this.stall.to < tickMs : this.justEnded)) return 0;
    return now - this.stall.from;
  }

  /** The longest time that the event loop may have stalled since the last tick, in milliseconds; 0 without a stall. */
  private awayMs(now: number): number {
    const sinceMs = now - this.lastTick;
    const lateMs = sinceMs - this.everyMs;
    const waitedMs = this.everyMs === tickMs ? 0 : withoutProcessorMs() - this.withoutProcessorMs;
    // If the bridge only waited for a CPU, it had read all earlier calls before that wait, so only the wait counts.
    if (lateMs > tickMs && waitedMs < lateMs - tickMs) return sinceMs;
    return waitedMs > tickMs ? waitedMs : 0;
  }

  private tick(): void {
    const now = monotonicClock();
    const awayMs = this.awayMs(now);
    if (awayMs > 0) {
      this.stall = { from: now - awayMs, to: now };
      this.justEnded = true;
      // setImmediate runs after the sockets of this turn have been read.
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

/**
 * How long the bridge's main thread has waited for a CPU since its start, in milliseconds; 0 where the kernel does not count this
 * time.
 */
function withoutProcessorMs(): number {
  const text = attempt(() => readRegularFile("/proc/self/schedstat").toString());
  return Number(text?.split(" ")[1] ?? 0) / 1e6;
}
