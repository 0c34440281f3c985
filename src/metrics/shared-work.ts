import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, monotonicClock } from "../deadline.js";

const shortestPauseMs = 100;
const longestPauseMs = 1_000;
/** Of the event loop's time, at most a tenth. */
const pauseRatio = 9;

/**
 * Work that all who ask for it at about the same time share. Who asks gets the outcome of work that began after that: it
 * is never stale. But it is done a few times a second only, however many ask: the next one waits until the pause is over.
 */
export function shareWork<Value>(work: () => Promise<Value>, clock: Clock = monotonicClock): () => Promise<Value> {
  let free: Promise<void> = Promise.resolve();
  /** Not yet begun. */
  let next: Promise<Value> | undefined;
  const begin = async () => {
    await free;
    next = undefined;
    const began = clock();
    const pause = async () => {
      const pauseMs = Math.min(Math.max((clock() - began) * pauseRatio, shortestPauseMs), longestPauseMs);
      await sleep(pauseMs, undefined, { ref: false });
    };
    const working = work();
    free = working.then(pause, pause);
    return working;
  };
  return () => {
    next ??= begin();
    return next;
  };
}
