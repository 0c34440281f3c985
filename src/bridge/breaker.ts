import { type Clock, monotonicClock } from "../base/deadline.js";
import type { PluginSettings } from "../config/merge.js";

/** When a plugin that keeps failing is left alone for a while; null: never. */
type BreakerSettings = PluginSettings["breaker"];

/** `closed`: it runs; `open`: it does not; `half-open`: one run is being tried. */
export type BreakerState = "closed" | "open" | "half-open";

interface Entry {
  failures: number;
  /** When the next run may be tried; undefined while closed. */
  tryAt: number | undefined;
  trying: boolean;
}

/** One for each plugin type: one that fails so often in a row is not started, and so costs no event its time, for a while. */
export class Breakers {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly clock: Clock = monotonicClock) {}

  /** Why the plugin is not to run now; null when it may. Whoever was admitted has to say how it went: `record` or `release`. */
  refusal(plugin: string, settings: BreakerSettings): string | null {
    const entry = this.entries.get(plugin);
    if (settings === null || entry?.tryAt === undefined) return null;
    const leftMs = entry.tryAt - this.clock();
    if (leftMs <= 0 && !entry.trying) {
      entry.trying = true;
      return null;
    }
    const again = leftMs > 0 ? `tried again in ${Math.ceil(leftMs / 1000)} s` : "being tried again";
    return `not run: it failed ${entry.failures} times in a row, ${again} (breaker)`;
  }

  /** Tells how a run of the plugin went; true when this changed the breaker's state. */
  record(plugin: string, failed: boolean, settings: BreakerSettings): boolean {
    const before = this.stateOf(plugin);
    if (settings === null || !failed) this.entries.delete(plugin);
    else {
      const failures = (this.entries.get(plugin)?.failures ?? 0) + 1;
      const open = failures >= settings.failures;
      const tryAt = open ? this.clock() + settings.pauseMs : undefined;
      this.entries.set(plugin, { failures, trying: false, tryAt });
    }
    return this.stateOf(plugin) !== before;
  }

  /** Tells that an admitted run was not begun, and so says nothing of the plugin: the next one is tried instead. */
  release(plugin: string): void {
    const entry = this.entries.get(plugin);
    if (entry !== undefined) entry.trying = false;
  }

  stateOf(plugin: string): BreakerState {
    const entry = this.entries.get(plugin);
    if (entry?.tryAt === undefined) return "closed";
    return entry.trying ? "half-open" : "open";
  }
}
