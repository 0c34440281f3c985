import fc from "fast-check";

/** One change of a text of bytes; places are fractions of its length, so that they mean something for every text. */
type Edit =
  | { readonly kind: "set"; readonly at: number; readonly byte: number }
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly length: number }
  | { readonly kind: "repeat"; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: "move"; readonly at: number; readonly length: number; readonly to: number }
  | { readonly kind: "cut"; readonly at: number };

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

const place = fc.double({ min: 0, max: 1, noNaN: true });
const shortLength = fc.integer({ min: 1, max: 64 });
const token = fc.constantFrom(...tokens).map((bytes) => Buffer.from(bytes));

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: place, byte: fc.nat(255) }),
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: place,
    bytes: fc.oneof(token, fc.uint8Array({ maxLength: 16 })),
  }),
  fc.record({ kind: fc.constant("remove" as const), at: place, length: shortLength }),
  fc.record({
    kind: fc.constant("repeat" as const),
    at: place,
    length: shortLength,
    times: fc.integer({ min: 2, max: 200 }),
  }),
  fc.record({ kind: fc.constant("move" as const), at: place, length: shortLength, to: place }),
  fc.record({ kind: fc.constant("cut" as const), at: place }),
);

function apply(bytes: Uint8Array, change: Edit): Uint8Array {
  const at = Math.floor(change.at * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (change.kind) {
    case "set":
      return Buffer.concat([before, Buffer.from([change.byte]), after.subarray(1)]);
    case "flip":
      return Buffer.concat([before, Buffer.from([(after[0] ?? 0) ^ (1 << change.bit)]), after.subarray(1)]);
    case "insert":
      return Buffer.concat([before, change.bytes, after]);
    case "remove":
      return Buffer.concat([before, after.subarray(change.length)]);
    case "repeat":
      return Buffer.concat([
        before,
        ...Array.from({ length: change.times }, () => after.subarray(0, change.length)),
        after,
      ]);
    case "move": {
      const rest = Buffer.concat([before, after.subarray(change.length)]);
      const to = Math.floor(change.to * rest.length);
      return Buffer.concat([rest.subarray(0, to), after.subarray(0, change.length), rest.subarray(to)]);
    }
    case "cut":
      return before;
  }
}

/** Changed examples mostly, and now and then bytes out of nothing. */
export function mutated(examples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .tuple(fc.constantFrom(...examples), fc.array(edit, { minLength: 0, maxLength: 6 }))
    .map(([example, edits]): Uint8Array => edits.reduce(apply, example));
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) });
}
