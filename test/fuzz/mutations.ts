import fc from "fast-check";

/** Bytes that formats trip over: lengths at their limits, long varints, brackets, quotes, parts of characters. */
const tokens: readonly (string | Uint8Array)[] = [
  new Uint8Array([0xff, 0xff, 0xff, 0xff]),
  new Uint8Array([0x7f, 0xff, 0xff, 0xff]),
  new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]),
  new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  new Uint8Array([0xed, 0xa0, 0x80]),
  new Uint8Array([0xf0, 0x9f]),
  new Uint8Array([0xef, 0xbb, 0xbf]),
  "[".repeat(64),
  '{"":'.repeat(32),
  "__proto__",
  "constructor",
  '"\\ud800"',
  "1e999",
  "-0",
  "18446744073709551616",
  "null",
  "\u0000",
  "\r\n",
  "&a [*a,*a]",
  "!!js/function x",
  "<<: *x",
];

/** One change of a text of bytes. */
type Edit = (bytes: Uint8Array) => Uint8Array;

const shortLength = fc.integer({ min: 1, max: 64 });
const token = fc.constantFrom(...tokens).map((bytes) => Buffer.from(bytes));

/** Edits at a place, which is a fraction of the length, so that it means something for every text. */
function editOf<T>(
  values: fc.Arbitrary<T>,
  put: (before: Uint8Array, after: Uint8Array, value: T) => readonly Uint8Array[],
): fc.Arbitrary<Edit> {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  return fc.tuple(place, values).map(([fraction, value]) => (bytes: Uint8Array) => {
    const at = Math.floor(fraction * bytes.length);
    return Buffer.concat(put(bytes.subarray(0, at), bytes.subarray(at), value));
  });
}

const edit: fc.Arbitrary<Edit> = fc.oneof(
  // Another byte, another bit, more, less, again and again, elsewhere, and cut short.
  editOf(fc.nat(255), (before, after, byte) => [before, Uint8Array.of(byte), after.subarray(1)]),
  editOf(fc.nat(7), (before, after, bit) => [before, Uint8Array.of((after[0] ?? 0) ^ (1 << bit)), after.subarray(1)]),
  editOf(fc.oneof(token, fc.uint8Array({ maxLength: 16 })), (before, after, bytes) => [before, bytes, after]),
  editOf(shortLength, (before, after, length) => [before, after.subarray(length)]),
  editOf(fc.tuple(shortLength, fc.integer({ min: 2, max: 200 })), (before, after, [length, times]) => [
    before,
    ...Array.from({ length: times }, () => after.subarray(0, length)),
    after,
  ]),
  editOf(fc.tuple(shortLength, fc.nat(4096)), (before, after, [length, to]) => {
    const rest = Buffer.concat([before, after.subarray(length)]);
    const other = rest.length === 0 ? 0 : to % rest.length;
    return [rest.subarray(0, other), after.subarray(0, length), rest.subarray(other)];
  }),
  editOf(fc.constant(undefined), (before) => [before]),
);

/** Changed examples mostly, and now and then bytes out of nothing. */
export function mutated(examples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...examples), fc.array(edit, { minLength: 0, maxLength: 6 }))
    .map(([example, edits]): Uint8Array => edits.reduce((bytes, change) => change(bytes), example));
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) });
}
