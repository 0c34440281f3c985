import { type Clock, monotonicClock } from "../base/deadline.js";
import type { RuntimeInfo } from "../nri/handlers.js";
import { synchronizes } from "../nri/versions.js";
import type { MetricsSources } from "./metrics-sources.js";

/** An answer to a probe: 200 when there is no reason against it. */
export interface Health {
  readonly ok: boolean;
  readonly text: string;
}

/** The event loop may be held up so long before the bridge counts as dead: longer than any call of a runtime lasts. */
const maxLagMs = 5_000;

/** Whether the process does its work: a probe that fails here is mended by a restart. */
export function healthOf(lagMs: number): Health {
  const lag = `event loop: late by ${Math.round(lagMs)} ms at most in the last 10 s`;
  return lagMs <= maxLagMs ? { ok: true, text: `ok; ${lag}` } : { ok: false, text: `not ok; ${lag}` };
}

/** What was seen on the present connection. */
export interface Connection {
  readonly runtime: RuntimeInfo;
  /** An event has come: whatever was said before, events are delivered. */
  readonly hadEvent: boolean;
}

type Sources = Pick<MetricsSources, "registered" | "synchronized" | "notices">;

/** Whether events are delivered: registered, and synchronized where the runtime does that; and what keeps plugins from running. */
export function readinessOf(sources: Sources, connection: Connection | undefined): Health {
  const { ok, text } = deliveryOf(sources, connection);
  return { ok, text: [text, ...(sources.notices?.() ?? [])].join("; ") };
}

/**
 * compat: containerd before 1.7.26 starts the plugins that it launches before it knows any pod, and does not synchronize
 * them (nri adaptation.startPlugins): such a plugin is registered and that is all.
 */
function deliveryOf(sources: Sources, connection: Connection | undefined): Health {
  if (!sources.registered() || connection === undefined) return { ok: false, text: "not registered with the runtime" };
  const { runtime, hadEvent } = connection;
  if (sources.synchronized()) return { ok: true, text: `ready; synchronized with ${runtime.name} ${runtime.version}` };
  if (hadEvent || !synchronizes(runtime)) {
    return { ok: true, text: `ready; registered with ${runtime.name} ${runtime.version}, which did not synchronize` };
  }
  return { ok: false, text: "registered, not yet synchronized with the runtime" };
}

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
