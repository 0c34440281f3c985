import { type Clock, monotonicClock } from "../base/deadline.js";
import type { PluginSettings } from "../config/merge.js";

/** When a plugin that keeps failing is left alone for a while; null: never. */
type BreakerSettings = PluginSettings["breaker"];

/** `closed`: it runs; `open`: it does not; `half-open`: the next run decides. */
export type BreakerState = "closed" | "open" | "half-open";

/** One for each plugin type: one that fails so often in a row is not started, and so costs no event its time, for a while. */
export class Breakers {
  /** Those that failed the last time; `tryAt`: when the next run is tried, undefined while closed. */
  private readonly entries = new Map<string, { readonly failures: number; readonly tryAt: number | undefined }>();

  constructor(private readonly clock: Clock = monotonicClock) {}

  /** Why the plugin is not to run now; null when it may. */
  refusal(plugin: string, settings: BreakerSettings): string | null {
    const { failures, tryAt } = this.entries.get(plugin) ?? {};
    if (settings === null || tryAt === undefined || this.clock() >= tryAt) return null;
    const leftS = Math.ceil((tryAt - this.clock()) / 1000);
    return `not run: it failed ${failures} times in a row, tried again in ${leftS} s (breaker)`;
  }

  /** Tells how a run of the plugin went; true when this changed the breaker's state. */
  record(plugin: string, failed: boolean, settings: BreakerSettings): boolean {
    const before = this.stateOf(plugin);
    const failures = (this.entries.get(plugin)?.failures ?? 0) + 1;
    if (settings === null || !failed) this.entries.delete(plugin);
    else {
      const tryAt = failures >= settings.failures ? this.clock() + settings.pauseMs : undefined;
      this.entries.set(plugin, { failures, tryAt });
    }
    return this.stateOf(plugin) !== before;
  }

  stateOf(plugin: string): BreakerState {
    const tryAt = this.entries.get(plugin)?.tryAt;
    if (tryAt === undefined) return "closed";
    return this.clock() < tryAt ? "open" : "half-open";
  }
}
