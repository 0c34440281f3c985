import { type Clock, Deadline, monotonicClock } from "../base/deadline.js";
import type { Config } from "../config/schema.js";
import type { EventName } from "../nri/events.js";
import type { CallContext } from "../nri/handlers.js";
import { type TraceContext, traceOf } from "../observe/trace.js";

type TimeSettings = Pick<Config, "replyMarginMs" | "killAfterMs">;

/**
 * The deadlines of one call of the runtime, planned when the call arrives. Every wait for the call's answer uses one of these
 * deadlines.
 */
export interface CallTime {
  /** When the bridge sends SIGTERM to a plugin's process group. */
  readonly terminateAt: Deadline;
  /** When the bridge sends SIGKILL to a plugin's process group. */
  readonly killAt: Deadline;
  /** When all work for the answer has ended, so that the bridge can send the answer. */
  readonly answerBy: Deadline;
  /** When the bridge answers according to onFailure, even if a plugin still runs. */
  readonly giveUpAt: Deadline;
  /** The time that a plugin has when the call arrives, in milliseconds. */
  readonly limitMs: number;
  /** A sentence that names the setting behind this limit; an operator changes that setting to give the plugin more time. */
  readonly remedy: string;
  readonly killAfterMs: number;
}

/** The deadlines of one plugin run. */
export type PluginTime = Omit<CallTime, "answerBy">;

/** The answer leaves at least this long before the runtime gives up, in milliseconds. */
const giveUpMs = 50;

/**
 * How long the bridge waits after SIGKILL when no call waits, in milliseconds; then it gives up on a process that the kernel does
 * not end.
 */
const backgroundGiveUpMs = 1_000;

/** Plans a call that arrives now and has to be answered in `limitMs` milliseconds; Infinity for a call without a deadline. */
export function planCall(
  limitMs: number,
  remedy: string,
  settings: TimeSettings,
  clock: Clock = monotonicClock,
): CallTime {
  // The margin is at least replyMarginMs, at least a tenth of the call's time, and at most a quarter of it.
  const marginMs = limitMs === Infinity ? 0 : Math.min(Math.max(settings.replyMarginMs, limitMs / 10), limitMs / 4);
  const killMs = limitMs - marginMs;
  // For a call of a few hundred milliseconds, SIGTERM comes no earlier than half of the time until SIGKILL.
  const killAfterMs = Math.min(settings.killAfterMs, killMs / 2);
  const killAt = Deadline.after(killMs, clock);
  return {
    terminateAt: Deadline.after(killMs - killAfterMs, clock),
    killAt,
    answerBy: killAt,
    // The bridge never gives up before SIGKILL.
    giveUpAt: Deadline.after(limitMs - Math.min(Math.max(giveUpMs, marginMs / 4), marginMs / 2), clock),
    limitMs: killMs - killAfterMs,
    remedy,
    killAfterMs,
  };
}

/** Plans a chain that no call waits for: its plugins may use all of `timeoutMs`. */
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

/**
 * Plans one plugin run that starts now: the chain's deadlines, or earlier ones where the plugin's own `timeoutMs` is shorter (null
 * for none).
 */
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

/** What caused a chain, and the chain's deadlines. */
export interface EventInfo {
  readonly event: EventName | "Synchronize";
  readonly time: CallTime;
  /** No call of the runtime waits for this chain. */
  readonly inBackground?: boolean;
  /** The bridge answered the call before it read the event, since no plugin takes it: no plugin runs for this event. */
  readonly answered?: boolean;
  /** The position of the runtime's call in a distributed trace; undefined when the call carries none. */
  readonly trace?: TraceContext | undefined;
}

/**
 * When a call's deadline is this much shorter than the runtime's own timeout, in milliseconds, the deadline comes from the
 * runtime's client.
 */
const clientsAreEarlierMs = 20;

/** An event with its deadlines, which count from now: callers create it when the call arrives. */
export function eventInfo(call: CallContext, settings: TimeSettings): EventInfo {
  const { event, deadline, metadata, runtime } = call;
  const leftMs = deadline.remainingMs();
  const limitMs = Math.min(leftMs, runtime.requestTimeoutMs);
  const isClients = limitMs < runtime.requestTimeoutMs - clientsAreEarlierMs;
  const key = runtime.name === "cri-o" ? "nri_plugin_request_timeout" : "plugin_request_timeout";
  const remedy = isClients
    ? "the deadline of the runtime's client sets the limit (for the kubelet: runtimeRequestTimeout)"
    : `the runtime's ${key} sets the limit`;
  return {
    event,
    time: planCall(limitMs, remedy, settings),
    trace: traceOf(metadata),
    answered: call.answeredInMs !== undefined,
  };
}

/** An EventInfo for a delete or a create that no call waits for. */
export function backgroundInfo(
  event: EventInfo["event"],
  config: Pick<Config, "killAfterMs" | "deleteTimeoutMs">,
): EventInfo {
  return { event, time: planBackground(config.deleteTimeoutMs, "deleteTimeoutMs", config), inBackground: true };
}
