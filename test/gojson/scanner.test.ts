import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scanDocument, scanFirstValue } from "../../src/v01/gojson/scanner.js";
import { encodeUtf8 } from "../../src/v01/gojson/utf8.js";

describe("scanDocument", () => {
  it("accepts what JSON.parse accepts, and nothing else", () => {
    const almostJson = fc.oneof(
      fc.json(),
      fc.string({ unit: fc.constantFrom(...'{}[]:,"\\0123456789.eE+-truefalsn u\n\u00e9') }),
      fc.tuple(fc.json(), fc.nat(), fc.nat(3), fc.string({ maxLength: 2 })).map(([text, at, cut, put]) => {
        const from = at % (text.length + 1);
        return text.slice(0, from) + put + text.slice(from + cut);
      }),
    );
    fc.assert(
      fc.property(almostJson, (text) => {
        expect(scanDocument(encodeUtf8(text)).ok).toBe(isJson(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("takes any text that is cut as incomplete, wherever the cut is", () => {
    const text = '{"a":[1,-2.5e+3,true,false,null,"x\\u00e9\\n"],"b":{"c":{}},"d":[]} ';
    const bytes = encodeUtf8(text);
    for (let length = 0; length < bytes.length - 1; length++) {
      const scan = scanDocument(bytes.subarray(0, length));
      expect(scan).toMatchObject({ ok: false, offset: length });
      expect(scanFirstValue(bytes.subarray(0, length))).toMatchObject({
        ok: false,
        reason: length === 0 ? "EOF" : "unexpected EOF",
        offset: length,
      });
    }
    expect(scanDocument(bytes)).toMatchObject({ ok: true, start: 0, end: bytes.length - 1 });
  });

  // encoding/json scanner.go, maxNestingDepth: 10000 containers are fine, one more is not.
  it.each(["[", '{"a":'])("takes %s 10000 deep and not deeper", (open) => {
    const close = open === "[" ? "]" : "}";
    const nest = (depth: number) => encodeUtf8(open.repeat(depth - 1) + open[0] + close.repeat(depth));
    expect(scanDocument(nest(10_000)).ok).toBe(true);
    const reason = `invalid character '${open[0]}' exceeded max depth`;
    expect(scanDocument(nest(10_001))).toMatchObject({ ok: false, reason });
    expect(scanFirstValue(nest(10_001))).toMatchObject({ ok: false, reason });
  });

  it("needs time in proportion to the text", () => {
    const hostile = ["[", "{", '"\\u00e9', "1", " ", "[[]", '{"a":{},'].map((piece) => piece.repeat(300_000));
    const before = process.cpuUsage();
    for (const text of hostile) scanDocument(encodeUtf8(text));
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(3_000);
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
