import type { Log } from "../base/logger.js";
import type { InvokeOutcome } from "../plugin/invoke.js";
import type { AppliedOwn } from "./accept.js";

/** A chain that has ended, as the log shows it. */
interface EndedChain {
  readonly runs: readonly Pick<InvokeOutcome, "plugin" | "outcome" | "durationMs">[];
  /** The failure that the bridge answers to the call; undefined when the chain has none. */
  readonly error: string | undefined;
  readonly durationMs: number;
}

/** Logs one line that sums up the chain for people, and warnings for changes that were left out or that conflict. */
export function logChain(log: Log, fields: object, chain: EndedChain, { change, leftOut }: AppliedOwn): void {
  if (leftOut !== undefined) log.warn({ ...fields, ...leftOut }, "the bridge left out changes that it cannot apply");
  if (chain.runs.length > 0) log.info({ ...fields, ...chainSummary(chain) }, "the plugins of an event ran");
  for (const conflict of change.conflicts) {
    log.warn({ ...fields, ...conflict }, "two plugins set the same field of the container: the last value counts");
  }
}

export function chainSummary({ runs, error, durationMs }: EndedChain) {
  const plugins = runs.map(({ plugin, outcome, durationMs: ms }) => ({ plugin, outcome, ms: toTenths(ms) }));
  return { plugins, answer: error ?? "ok", totalMs: toTenths(durationMs) };
}

function toTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/** Logs one line for a plugin run. */
export function logRun(log: Log, fields: object, run: InvokeOutcome, adjusted: readonly string[]): void {
  const { plugin, path, outcome, exitCode, signal, error, hint, leftGroup } = run;
  const durationMs = Math.round(run.durationMs * 1000) / 1000;
  const about = { ...fields, plugin, path, outcome, durationMs, exitCode, signal };
  if (leftGroup !== null) log.info({ ...about, processGroup: leftGroup }, "a plugin left processes running");
  // Only the keys, since a value may be a secret. When a runtime refuses a field because another NRI plugin set it too, the
  // runtime's error names the field and the bridge; this line names the legacy plugin.
  if (error === null) log.info({ ...about, ...(adjusted.length > 0 ? { adjusts: adjusted } : {}) }, "plugin ran");
  else log.warn({ ...about, error: shorten(error), ...(hint === null ? {} : { hint }) }, "plugin failed");
}

/** A plugin may print megabytes of error text; a ttRPC status message cannot hold more characters than this. */
const maxErrorLength = 8192;

export function shorten(error: string): string {
  const cut = error.length - maxErrorLength;
  return cut > 0 ? `${error.slice(0, maxErrorLength)}… (${cut} characters cut)` : error;
}
