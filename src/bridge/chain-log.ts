import type { Log } from "../base/logger.js";
import type { InvokeOutcome } from "../plugin/invoke.js";
import type { AppliedOwn } from "./accept.js";

/** The outcome of one chain. */
interface EndedChain {
  readonly runs: readonly Pick<InvokeOutcome, "plugin" | "outcome" | "durationMs">[];
  /** The failure that is the call's answer, where there is one. */
  readonly error: string | undefined;
  readonly durationMs: number;
}

/** The one line for a chain that people read, and what has become of its changes. */
export function logChain(log: Log, fields: object, chain: EndedChain, { change, leftOut }: AppliedOwn): void {
  if (leftOut !== undefined) log.warn({ ...fields, ...leftOut }, "the bridge left out changes that it cannot apply");
  if (chain.runs.length > 0) log.info({ ...fields, ...chainSummary(chain) }, "chain ran");
  for (const conflict of change.conflicts) {
    log.warn({ ...fields, ...conflict }, "two plugins set one field of the container: the last one wins");
  }
}

export function chainSummary({ runs, error, durationMs }: EndedChain) {
  const plugins = runs.map(({ plugin, outcome, durationMs: ms }) => ({ plugin, outcome, ms: toTenths(ms) }));
  return { plugins, answer: error ?? "ok", totalMs: toTenths(durationMs) };
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** One line for a run. */
export function logRun(log: Log, fields: object, run: InvokeOutcome, adjusted: readonly string[]): void {
  const { plugin, path, outcome, exitCode, signal, error, hint, leftGroup } = run;
  const durationMs = Math.round(run.durationMs * 1000) / 1000;
  const about = { ...fields, plugin, path, outcome, durationMs, exitCode, signal };
  if (leftGroup !== null) log.info({ ...about, processGroup: leftGroup }, "a plugin left processes running");
  // The keys alone: a value may be a secret. A runtime that refuses a field in conflict with another NRI plugin names the
  // field and the bridge; this line has the legacy plugin.
  if (error === null) log.info({ ...about, ...(adjusted.length > 0 ? { adjusts: adjusted } : {}) }, "plugin ran");
  else log.warn({ ...about, error: shorten(error), ...(hint === null ? {} : { hint }) }, "plugin failed");
}

/** A ttRPC status holds no more: a plugin may say four megabytes. */
const maxErrorLength = 8192;

export function shorten(error: string): string {
  const cut = error.length - maxErrorLength;
  return cut > 0 ? `${error.slice(0, maxErrorLength)}… (${cut} characters cut)` : error;
}
