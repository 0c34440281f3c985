import { nearestName } from "../base/nearest.js";

export interface Fault {
  readonly ok: false;
  /** What is wrong with a value, worded to follow the value in an error message. */
  readonly reason: string;
  readonly remedy?: string;
}

/** A value that the bridge has read, or a fault that says what the bridge expected instead. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Fault;

export function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function bad(expected: string, remedy?: string): Fault {
  return idle(`expected ${expected}`, remedy);
}

/** The fault of a valid value that would have no effect. */
export function idle(reason: string, remedy?: string): Fault {
  return remedy === undefined ? { ok: false, reason } : { ok: false, reason, remedy };
}

/**
 * The remedy for an unknown name: the nearest known name, else `otherwise`. A name of over 100 characters gets no suggestion, since
 * the time of a comparison grows with the lengths of both names.
 */
export function suggest(name: string, known: readonly string[], otherwise: string): string {
  const nearest = name.length > 100 ? undefined : nearestName(name, known);
  return nearest === undefined ? otherwise : `did you mean ${nearest}?`;
}
