import { type Clock, monotonicClock } from "../deadline.js";

const beatMs = 500;
const windowMs = 10_000;

/** Tells how long the event loop was held up, by a timer that comes late then. */
export interface Heart {
  /** The longest that it was late in the last 10 seconds, in milliseconds; what it is late right now counts. */
  lagMs(): number;
  stop(): void;
}

export function startHeart(clock: Clock = monotonicClock): Heart {
  let expected = clock() + beatMs;
  let worst = { lag: 0, at: clock() };
  const note = () => {
    const now = clock();
    const lag = Math.max(0, now - expected);
    if (lag >= worst.lag || now - worst.at > windowMs) worst = { lag, at: now };
    return now;
  };
  const timer = setInterval(() => {
    expected = note() + beatMs;
  }, beatMs);
  timer.unref();
  return {
    lagMs() {
      note();
      return worst.lag;
    },
    stop: () => clearInterval(timer),
  };
}
