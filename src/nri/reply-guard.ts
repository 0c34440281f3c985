import type { Call } from "../ttrpc/server.js";
import { Code, StatusError } from "../ttrpc/status.js";
import { alarm } from "../ttrpc/timeout.js";

/** Milliseconds kept for the way back of an answer that has to be in time; at most a quarter of the call's time. */
const marginMs = 50;

/**
 * Runs a call's handler and answers in its place with DeadlineExceeded, shortly before the runtime gives up: an error
 * that comes in time costs one event, no answer costs the plugin its connection without a word. What the handler still
 * gives then is dropped; its signal tells it, as it does when the connection ends.
 */
export function answerInTime<T>(call: Call, handler: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = new AbortController();
    const onDisconnect = () => abort.abort(call.signal.reason);
    call.signal.addEventListener("abort", onDisconnect, { once: true });
    const margin = Math.min(marginMs, call.deadline.remainingMs() / 4);
    const cancelAlarm = alarm(call.deadline.minus(margin), () => {
      const error = new StatusError(
        Code.DeadlineExceeded,
        `${call.method} was not done in the time that the runtime gave`,
      );
      reject(error);
      abort.abort(error);
    });
    const settled = () => {
      cancelAlarm();
      call.signal.removeEventListener("abort", onDisconnect);
    };
    new Promise<T>((run) => run(handler(abort.signal))).then(resolve, reject).finally(settled);
  });
}
