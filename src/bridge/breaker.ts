import { type Clock, monotonicClock } from "../base/deadline.js";
import type { PluginSettings } from "../config/merge.js";

/** After how many failures in a row the bridge stops running a plugin, and for how long; null for never. */
type BreakerSettings = PluginSettings["breaker"];

/** `closed`: the plugin runs; `open`: the plugin does not run; `half-open`: the outcome of the next run decides. */
export type BreakerState = "closed" | "open" | "half-open";

/**
 * One breaker for each plugin type. After the configured number of failures in a row, the bridge does not run the plugin for a
 * pause, so that events lose no time to it.
 */
export class Breakers {
  /** The plugins whose last run failed. `tryAt` is the clock's time of the next attempt, undefined while the breaker is closed. */
  private readonly entries = new Map<string, { readonly failures: number; readonly tryAt: number | undefined }>();

  constructor(private readonly clock: Clock = monotonicClock) {}

  /** Why the plugin must not run now; null when it may. */
  refusal(plugin: string, settings: BreakerSettings): string | null {
    const { failures, tryAt } = this.entries.get(plugin) ?? {};
    if (settings === null || tryAt === undefined || this.clock() >= tryAt) return null;
    const leftS = Math.ceil((tryAt - this.clock()) / 1000);
    return `not run: the plugin failed ${failures} times in a row, and the bridge runs it again after ${leftS} s (breaker)`;
  }

  /** Records the outcome of a plugin's run. Returns true when this changes the state of the plugin's breaker. */
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
