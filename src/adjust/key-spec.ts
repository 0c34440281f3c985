import type { Gate, Release } from "./gates.js";
import type { Parsed } from "./parsed.js";
import type { Write } from "./types.js";

/** What is known of an adjust key, or of the keys that begin with it. */
export interface KeySpec {
  readonly gate: Gate;
  /** How the value stands in an `adjust` object; undefined when the object has its own form for it. */
  readonly json?: "number" | "string" | "bool";
  /** Whether `update.<containerID>.` may stand before it. */
  readonly ofOthers?: boolean;
  /** What comes after the key and a dot, as the table of keys writes it; absent when nothing does. */
  readonly placeholder?: string;
  /** Whether, and since when, a `-` before the name removes. Absent: there is nothing to remove. */
  readonly removal?: Removal;
  /** @param name what came after the key, without a removal's `-`; "" when nothing does */
  parse(name: string, text: string, removes: boolean): Parsed<Write>;
}

export type Removal =
  | { readonly effect: true; readonly since?: Release }
  /** NRI takes it and does nothing with it. */
  | { readonly effect: false; readonly why: string; readonly remedy: string };
