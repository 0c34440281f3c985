import { type Clock, Deadline, monotonicClock } from "../base/deadline.js";
import type { Config } from "../config/schema.js";
import type { EventName } from "../nri/events.js";
import type { CallContext } from "../nri/handlers.js";
import { type TraceContext, traceOf } from "../observe/trace.js";

type TimeSettings = Pick<Config, "replyMarginMs" | "killAfterMs">;

/** The time of one call of the runtime, made when it arrives. Every wait on the way of its answer takes it. */
export interface CallTime {
  /** SIGTERM to a plugin's group. */
  readonly terminateAt: Deadline;
  /** SIGKILL to it. */
  readonly killAt: Deadline;
  /** All that is done for the answer has ended. */
  readonly answerBy: Deadline;
  /** The answer by policy leaves, whatever still runs. */
  readonly giveUpAt: Deadline;
  /** The time that a plugin has from now on, in milliseconds. */
  readonly limitMs: number;
  /** The setting that made this limit, which an operator changes to give the plugin more. */
  readonly remedy: string;
  readonly killAfterMs: number;
}

/** The time of one plugin run. */
export type PluginTime = Omit<CallTime, "answerBy">;

/** The answer is on its way at least this long before the runtime gives up, in milliseconds. */
const giveUpMs = 50;

/** The same for what no call waits for, after SIGKILL: a process that the kernel does not end is left alone. */
const backgroundGiveUpMs = 1_000;

/** The time of a call that arrives now and has to be answered in `limitMs`; Infinity for a call without a deadline. */
export function planCall(
  limitMs: number,
  remedy: string,
  settings: TimeSettings,
  clock: Clock = monotonicClock,
): CallTime {
  // At least replyMarginMs, at least a tenth of the call's time, at most a quarter of it.
  const marginMs = limitMs === Infinity ? 0 : Math.min(Math.max(settings.replyMarginMs, limitMs / 10), limitMs / 4);
  const killMs = limitMs - marginMs;
  // A call of some hundred milliseconds leaves a plugin at least half of its time.
  const killAfterMs = Math.min(settings.killAfterMs, killMs / 2);
  const killAt = Deadline.after(killMs, clock);
  return {
    terminateAt: Deadline.after(killMs - killAfterMs, clock),
    killAt,
    answerBy: killAt,
    // Never before the plugins' own end.
    giveUpAt: Deadline.after(limitMs - Math.min(Math.max(giveUpMs, marginMs / 4), marginMs / 2), clock),
    limitMs: killMs - killAfterMs,
    remedy,
    killAfterMs,
  };
}

/** The time of a chain that no call waits for: it uses all of it. */
export function planBackground(
  timeoutMs: number,
  setting: "timeoutMs" | "deleteTimeoutMs",
  { killAfterMs }: Pick<Config, "killAfterMs">,
  clock: Clock = monotonicClock,
): CallTime {
  const killAt = Deadline.after(timeoutMs + killAfterMs, clock);
  const terminateAt = Deadline.after(timeoutMs, clock);
  const remedy = settingRemedy(setting);
  const giveUpAt = Deadline.after(timeoutMs + killAfterMs + backgroundGiveUpMs, clock);
  return { terminateAt, killAt, answerBy: killAt, giveUpAt, limitMs: timeoutMs, remedy, killAfterMs };
}

/** The time of one plugin that starts now: its chain's, cut to the plugin's own `timeoutMs` (null for none). */
export function planPlugin(chain: PluginTime, timeoutMs: number | null): PluginTime {
  const leftMs = chain.terminateAt.remainingMs();
  if (timeoutMs === null || timeoutMs >= leftMs) return { ...chain, limitMs: leftMs };
  return {
    ...chain,
    terminateAt: chain.terminateAt.within(timeoutMs),
    killAt: chain.killAt.within(timeoutMs + chain.killAfterMs),
    limitMs: timeoutMs,
    remedy: settingRemedy("timeoutMs"),
  };
}

function settingRemedy(setting: string): string {
  return `${setting} in the bridge's configuration sets the limit`;
}

/** The cause of a chain, and its time. */
export interface EventInfo {
  readonly event: EventName | "Synchronize";
  readonly time: CallTime;
  /** No call of the runtime waits for it. */
  readonly inBackground?: boolean;
  /** The call was answered before it was read: no plugin runs for it. */
  readonly answered?: boolean;
  /** Where the runtime's call stands in a distributed trace. */
  readonly trace?: TraceContext | undefined;
}

/** A call's deadline is its client's where it comes this much before the runtime's own timeout, in milliseconds. */
const clientsAreEarlierMs = 20;

/** An event with its time, which begins now: to be asked for when the call arrives. */
export function eventInfo(call: CallContext, settings: TimeSettings): EventInfo {
  const { event, deadline, metadata, runtime } = call;
  const leftMs = deadline.remainingMs();
  const limitMs = Math.min(leftMs, runtime.requestTimeoutMs);
  const isClients = limitMs < runtime.requestTimeoutMs - clientsAreEarlierMs;
  const key = runtime.name === "cri-o" ? "nri_plugin_request_timeout" : "plugin_request_timeout";
  const remedy = isClients
    ? "the deadline of the runtime's client sets the limit (the kubelet's is runtimeRequestTimeout)"
    : `the runtime's ${key} sets the limit`;
  return {
    event,
    time: planCall(limitMs, remedy, settings),
    trace: traceOf(metadata),
    answered: call.answeredInMs !== undefined,
  };
}

/** The same for a delete or a create that no call waits for. */
export function backgroundInfo(
  event: EventInfo["event"],
  config: Pick<Config, "killAfterMs" | "deleteTimeoutMs">,
): EventInfo {
  return { event, time: planBackground(config.deleteTimeoutMs, "deleteTimeoutMs", config), inBackground: true };
}
