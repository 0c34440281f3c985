/** The states of a breaker, as legacy/breaker has them. */
export const breakerStates = ["closed", "open", "half-open"] as const;
export type BreakerState = (typeof breakerStates)[number];

/** What is asked when somebody scrapes; nothing of it is kept. */
export interface MetricsSources {
  /** The runtime has registered and configured us, and is still there. */
  registered(): boolean;
  /** It has synchronized us too. */
  synchronized(): boolean;
  /** What keeps plugins from running beside that, each in a few words; nothing where this is not there. */
  notices?(): readonly string[];
  /** Plugin types that conf.json lists; undefined when it cannot be read. */
  plugins(): readonly string[] | undefined;
  /** The states that a plugin is run for; those of containerd 1.6 where this is not there. */
  statesOf?(plugin: string): readonly string[];
  breakerOf(plugin: string): BreakerState;
  /** Pods and containers that a create is remembered of. */
  remembered(): number;
  /** Undefined when the state is in memory only. */
  journalBytes(): number | undefined;
}

/** One run of a legacy plugin. */
export interface PluginRun {
  readonly plugin: string;
  /** create, delete, update, or a state of the plugin's own. */
  readonly state: string;
  /** `ok`, or why it failed. */
  readonly outcome: string;
  readonly durationMs: number;
}

/** What a legacy plugin asked to change. */
export interface PluginChange {
  readonly plugin: string;
  readonly state: string;
  /** Adjust keys, each counted once: `cpu.shares`, `env.DEBUG`. */
  readonly fields: readonly string[];
}
