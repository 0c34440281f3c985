import fc, { type Arbitrary } from "fast-check";

const surrogates = 0x800;

/** One in two is ASCII, any other code point but a surrogate. */
const letter = fc
  .oneof(
    fc.integer({ min: 0x20, max: 0x7e }),
    fc.integer({ min: 0, max: 0x10ffff - surrogates }).map((point) => (point < 0xd800 ? point : point + surrogates)),
  )
  .map((point) => String.fromCodePoint(point));

/** Names that JavaScript's objects have already. */
const taken = ["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty"];

/**
 * Any well-formed text: what `fc.string({ unit: "binary" })` makes too, for which fast-check first lists all of Unicode in a
 * table of 1.1 million rows.
 */
export function anyText({
  minLength = 0,
  maxLength,
}: {
  minLength?: number;
  maxLength?: number;
} = {}): Arbitrary<string> {
  const limits = maxLength === undefined ? { minLength } : { minLength, maxLength };
  const fitting = taken.filter((name) => maxLength === undefined || name.length <= maxLength);
  return fc.oneof({ weight: 15, arbitrary: fc.string({ ...limits, unit: letter }) }, fc.constantFrom(...fitting));
}
