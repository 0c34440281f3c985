import { type Clock, Deadline, monotonicClock } from "../deadline.js";

export interface BudgetSettings {
  /** Kept back for the answer: at least this, at least a tenth of the call's time, at most a quarter of it. */
  readonly replyMarginMs: number;
  /** Between SIGTERM and SIGKILL of a plugin's group. */
  readonly killAfterMs: number;
}

/** By when a chain has to be where, so that the answer comes before the runtime drops us in silence. */
export interface Budget {
  /** SIGTERM to the group of the plugin that then runs. */
  readonly terminateAt: Deadline;
  /** SIGKILL to it. */
  readonly killAt: Deadline;
  /** The answer is on its way, whatever became of the processes. */
  readonly answerBy: Deadline;
  /** What a plugin may use from now on, in milliseconds. */
  readonly limitMs: number;
  /** What set that limit, and so what an operator changes to give the plugin more. */
  readonly limitedBy: "call" | "timeoutMs";
  readonly killAfterMs: number;
}

/** The budget of a chain whose call has to be answered in `callMs`; Infinity for a call without a deadline. */
export function planBudget(callMs: number, settings: BudgetSettings, clock: Clock = monotonicClock): Budget {
  const marginMs = callMs === Infinity ? 0 : Math.min(Math.max(settings.replyMarginMs, callMs / 10), callMs / 4);
  const killMs = callMs - marginMs;
  // A call of some hundred milliseconds is to leave a plugin at least half of its time.
  const killAfterMs = Math.min(settings.killAfterMs, killMs / 2);
  return {
    terminateAt: Deadline.after(killMs - killAfterMs, clock),
    killAt: Deadline.after(killMs, clock),
    answerBy: Deadline.after(callMs - marginMs / 2, clock),
    limitMs: killMs - killAfterMs,
    limitedBy: "call",
    killAfterMs,
  };
}

/** The budget of one plugin that starts now: the chain's, cut to the plugin's own `timeoutMs` (null for none). */
export function planPluginBudget(chain: Budget, timeoutMs: number | null): Budget {
  const leftMs = chain.terminateAt.remainingMs();
  if (timeoutMs === null || timeoutMs >= leftMs) return { ...chain, limitMs: leftMs };
  return {
    ...chain,
    terminateAt: chain.terminateAt.within(timeoutMs),
    killAt: chain.killAt.within(timeoutMs + chain.killAfterMs),
    limitMs: timeoutMs,
    limitedBy: "timeoutMs",
  };
}

/** The budget of an observer that nobody waits for: its own time, whatever the call's. */
export function planAsyncBudget(timeoutMs: number, killAfterMs: number, clock: Clock = monotonicClock): Budget {
  const killAt = Deadline.after(timeoutMs + killAfterMs, clock);
  return {
    terminateAt: Deadline.after(timeoutMs, clock),
    killAt,
    answerBy: killAt,
    limitMs: timeoutMs,
    limitedBy: "timeoutMs",
    killAfterMs,
  };
}
