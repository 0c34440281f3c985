import { Deadline } from "./deadline.js";
import type { EventName } from "./nri/events.js";
import type { CallContext } from "./nri/handlers.js";
import { type TraceContext, traceOf } from "./trace.js";

/** What a chain runs for. */
export interface Occasion {
  readonly event: EventName | "Synchronize";
  readonly deadline: Deadline;
  /** All the time that there was until then, in milliseconds. */
  readonly ofMs: number;
  /** A delete that no call of the runtime waits for. */
  readonly own?: boolean;
  /** Where the runtime's call stands in a distributed trace. */
  readonly trace?: TraceContext | undefined;
}

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

/** A delete whose turn comes late has its time all the same, and its call is answered without its end. */
export function inFullTime(occasion: Occasion): Occasion {
  const { deadline, ofMs, event, trace } = occasion;
  return deadline.remainingMs() < ofMs * 0.75 ? ownOccasion(event, trace) : occasion;
}

/** Kept for the way back of an answer, in milliseconds, out of a call's time. */
const answerMarginMs = 100;
/** The longest that setTimeout knows. */
const maxTimerMs = 2 ** 31 - 1;

/** What a call is answered with: the outcome of its work, or something else when that does not come in the call's time. */
export async function withinCall<T>({ own, deadline, ofMs }: Occasion, work: Promise<T>, otherwise: T): Promise<T> {
  if (own) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    const leftMs = deadline.minus(Math.min(answerMarginMs, ofMs / 8)).remainingMs();
    timer = setTimeout(() => resolve(otherwise), Math.min(leftMs, maxTimerMs));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
