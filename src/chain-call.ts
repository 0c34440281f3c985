import type { Occasion } from "./occasion.js";
import type { Attempted } from "./state/memory.js";
import type { MergedChange, Phase } from "./translate/from-v01.js";
import type { ConfigList, Request, Result } from "./v01/types.js";

/** One chain of legacy plugins to run. */
export interface ChainCall extends Occasion {
  readonly list: ConfigList;
  readonly request: Request;
  readonly subject: Pick<Attempted, "kind" | "pod" | "container">;
  /** What results can change here. */
  readonly phase: Phase;
  /** What plugins answer is not looked at for changes: v0.1 knows no such state. */
  readonly changesNothing?: true;
  /** What the plugins of an earlier phase answered. */
  readonly earlierResults: readonly Result[];
}

/** What running a chain came to. */
export interface ChainEnd {
  /** The failure that ended it, where onFailure makes it count. */
  readonly error: string | undefined;
  /** The same for the log: without what the plugin's conf holds. */
  readonly said: string | undefined;
  readonly results: readonly Result[];
  /** What the results ask the runtime to change; nothing when there is an error. */
  readonly change: MergedChange;
  /** Settles when the observers among the plugins have ended too; absent when none runs on. */
  readonly observed?: Promise<unknown>;
}

/** Runs the plugins of a chain one by one. */
export type RunChain = (call: ChainCall) => Promise<ChainEnd>;

/** Of a chain that was not run. */
export const noChange: ChainEnd = {
  error: undefined,
  said: undefined,
  results: [],
  change: { updates: [], fields: [], conflicts: [] },
};
