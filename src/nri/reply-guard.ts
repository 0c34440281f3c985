import { Cancellation } from "../cancellation.js";
import type { Call } from "../ttrpc/server.js";
import { Code, StatusError } from "../ttrpc/status.js";
import { alarm } from "../ttrpc/timeout.js";

/** Milliseconds kept for the way back of an answer that has to be in time; at most a quarter of the call's time. */
const marginMs = 50;

/**
 * Runs a call's handler and answers in its place with DeadlineExceeded, shortly before the runtime gives up: an error
 * that comes in time costs one event, no answer costs the plugin its connection without a word. What the handler still
 * gives then is dropped; its cancellation tells it, as it does when the connection ends.
 */
export function answerInTime<T>(call: Call, handler: (cancellation: Cancellation) => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancellation = new Cancellation();
    const stopListening = call.cancellation.listen(() => cancellation.cancel(call.cancellation.reason));
    const margin = Math.min(marginMs, call.deadline.remainingMs() / 4);
    const cancelAlarm = alarm(call.deadline.minus(margin), () => {
      const error = new StatusError(
        Code.DeadlineExceeded,
        `${call.method} was not done in the time that the runtime gave`,
      );
      reject(error);
      cancellation.cancel(error);
    });
    const settled = () => {
      cancelAlarm();
      stopListening();
    };
    new Promise<T>((run) => run(handler(cancellation))).then(resolve, reject).finally(settled);
  });
}
