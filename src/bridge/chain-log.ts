import type { Log } from "../base/logger.js";
import type { InvokeOutcome } from "../plugin/invoke.js";

/** What one chain came to, for the one line of the log that people read; the sentence beside it is "chain ran". */
export function chainSummary(chain: EndedChain) {
  const { event, pod, container, id, state, runs, error, durationMs } = chain;
  const plugins = runs.map(({ plugin, outcome, durationMs: ms }) => ({ plugin, outcome, ms: toTenths(ms) }));
  const about = { event, pod, ...(container === undefined ? {} : { container }), id, state };
  return { ...about, plugins, answer: error ?? "ok", totalMs: toTenths(durationMs) };
}

interface EndedChain {
  readonly event: string;
  readonly state: string;
  readonly id: string;
  readonly pod: string;
  readonly container?: string | undefined;
  readonly runs: readonly Pick<InvokeOutcome, "plugin" | "outcome" | "durationMs">[];
  /** The failure that is the call's answer, where there is one. */
  readonly error: string | undefined;
  readonly durationMs: number;
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** One line for a run. */
export function logRun(log: Log, fields: object, run: InvokeOutcome, adjusted: readonly string[]): void {
  const { plugin, path, outcome, durationMs, exitCode, signal, error, hint, leftGroup } = run;
  const about = {
    ...fields,
    plugin,
    path,
    outcome,
    durationMs: Math.round(durationMs * 1000) / 1000,
    exitCode,
    signal,
  };
  if (leftGroup !== null) log.info({ ...about, processGroup: leftGroup }, "a plugin left processes running");
  // The keys alone: a value may be a secret. A runtime that refuses a field in conflict with another NRI plugin names the
  // field and the bridge; this line has the legacy plugin.
  if (error === null) log.info({ ...about, ...(adjusted.length > 0 ? { adjusts: adjusted } : {}) }, "plugin ran");
  else log.warn({ ...about, error: shorten(error), ...(hint === null ? {} : { hint }) }, "plugin failed");
}

/** More of an error is nobody's reading, and a ttRPC status holds no more: a plugin may say four megabytes. */
const maxErrorLength = 8192;

export function shorten(error: string): string {
  const cut = error.length - maxErrorLength;
  return cut > 0 ? `${error.slice(0, maxErrorLength)}… (${cut} characters cut)` : error;
}
