import { nearestName } from "../base/nearest.js";

export interface Fault {
  readonly ok: false;
  /** The fault of a value, in words that follow it. */
  readonly reason: string;
  readonly remedy?: string;
}

/** A value that was read, or what should have stood there. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | Fault;

export function good<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function bad(expected: string, remedy?: string): Fault {
  return idle(`expected ${expected}`, remedy);
}

/** Nothing is wrong with the value, but it would have no effect. */
export function idle(reason: string, remedy?: string): Fault {
  return remedy === undefined ? { ok: false, reason } : { ok: false, reason, remedy };
}

/** The remedy for an unknown name: the nearest known one. A long one is none, and comparing takes the time of both lengths. */
export function suggest(name: string, known: readonly string[], otherwise: string): string {
  const nearest = name.length > 100 ? undefined : nearestName(name, known);
  return nearest === undefined ? otherwise : `did you mean ${nearest}?`;
}
