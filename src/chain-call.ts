import { Deadline } from "./deadline.js";
import type { EventName } from "./nri/events.js";
import type { CallContext } from "./nri/handlers.js";
import type { Attempted } from "./state/memory.js";
import { type TraceContext, traceOf } from "./trace.js";
import type { MergedChange, Phase } from "./translate/from-v01.js";
import type { ConfigList, Request, Result } from "./v01/types.js";

/** What a chain runs for. */
export interface Occasion {
  readonly event: EventName | "Synchronize";
  readonly deadline: Deadline;
  /** Of all the time that the call has, in milliseconds. */
  readonly ofMs: number;
  /** A delete that no call of the runtime waits for. */
  readonly own?: boolean;
  /** Where the runtime's call stands in a distributed trace. */
  readonly trace?: TraceContext | undefined;
}

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
  readonly results: readonly Result[];
  /** What the results ask the runtime to change; nothing when there is an error. */
  readonly change: MergedChange;
  /** Settles when the observers among the plugins have ended too; absent when none runs on. */
  readonly observed?: Promise<unknown>;
}

/** Runs the plugins of a chain one by one. */
export type RunChain = (call: ChainCall) => Promise<ChainEnd>;

/** Of a chain that was not run. */
export const noChange: ChainEnd = { error: undefined, results: [], change: { updates: [], fields: [], conflicts: [] } };

/** compat: containerd 1.6 gave a delete so long; here it holds for what no call of the runtime waits for. */
const ownMs = 10_000;

/** The occasion of a delete that no call of the runtime waits for. */
export function ownOccasion(event: Occasion["event"], trace?: TraceContext): Occasion {
  return { event, deadline: Deadline.after(ownMs), ofMs: ownMs, own: true, trace };
}

/** The same of a create: it has no more time than one of a call has, so that a call for the same id is not kept waiting. */
export function adoptingOccasion(): Occasion {
  return { event: "Synchronize", deadline: Deadline.after(ownMs), ofMs: ownMs };
}

/** How an event's call is an occasion. */
export function occasionOf({ event, deadline, timeoutNano, metadata }: CallContext): Occasion {
  const ofMs = timeoutNano > 0n ? Number(timeoutNano / 1_000_000n) : deadline.remainingMs();
  return { event, deadline, ofMs, trace: traceOf(metadata) };
}
