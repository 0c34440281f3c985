import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDocument, string } from "../../src/v01/gojson/codec.js";
import { formatString, formatStringMap } from "../../src/v01/gojson/format.js";
import { compact } from "../../src/v01/gojson/raw.js";
import { scanDocument } from "../../src/v01/gojson/scanner.js";
import { decodeUtf8, encodeUtf8, positionOf } from "../../src/v01/gojson/utf8.js";
import { anyText } from "../support/any-text.js";

/** Any code points but surrogates. */
const wellFormed = anyText();

describe("formatString", () => {
  it("writes what JSON.parse and we read back", () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        const formatted = formatString(text);
        expect(JSON.parse(formatted)).toBe(text);
        expect(decodeDocument(encodeUtf8(formatted), string())).toEqual({ ok: true, value: text });
      }),
    );
  });

  // encoding/json encode.go, encodeState.string: an invalid byte is written as the escape, not as the character.
  it("writes a lone surrogate as the escape of U+FFFD", () => expect(formatString("a\ud800")).toBe('"a\\ufffd"'));
});

describe("formatStringMap", () => {
  it("sorts keys by their UTF-8 bytes", () => {
    const keys = fc.uniqueArray(
      fc.string({ unit: fc.constantFrom("a", "\ud7ff", "\ue000", "\uffff", "😀", "1", "é") }),
    );
    fc.assert(
      fc.property(keys, (unsorted) => {
        const written = formatStringMap(Object.fromEntries(unsorted.map((key) => [key, "v"])));
        const sorted = [...unsorted].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        expect(written).toBe(`{${sorted.map((key) => `${formatString(key)}:"v"`).join(",")}}`);
      }),
    );
  });

  it("has a key named __proto__ like any other", () => {
    expect(formatStringMap(JSON.parse('{"__proto__":"x"}'))).toBe('{"__proto__":"x"}');
  });
});

describe("compact", () => {
  it("keeps what a value means and leaves nothing to compact", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, "\t", 4), (value, indent) => {
        const written = compactText(JSON.stringify(value, undefined, indent));
        expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(compactText(written)).toBe(written);
        expect(written).not.toMatch(/[<>&\u2028\u2029]/);
      }),
    );
  });

  it.each([
    [' { "a" : "b c\\" } " , "n" : 1.50 } ', '{"a":"b c\\" } ","n":1.50}'],
    ['"<\\u003C>"', '"\\u003c\\u003C\\u003e"'],
    ["\n12345678901234567890\t", "12345678901234567890"],
  ])("writes %s as %s", (text, written) => expect(compactText(text)).toBe(written));

  function compactText(text: string): string {
    const bytes = encodeUtf8(text);
    const scan = scanDocument(bytes);
    return scan.ok ? compact(bytes, scan.start, scan.end) : scan.reason;
  }
});

describe("decodeUtf8", () => {
  it("reads valid UTF-8, a BOM too", () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        expect(decodeUtf8(encodeUtf8(text))).toBe(text);
      }),
    );
    expect(decodeUtf8(encodeUtf8("\ufeff{}"))).toBe("\ufeff{}");
  });
});

it.each([
  ["abc", 0, 1, 1],
  ["abc", 3, 1, 4],
  ["a\nbc", 3, 2, 2],
  ["é😀x", 6, 1, 3],
  ["a\n", 2, 2, 1],
])("positionOf finds %j at %i in line %i, column %i", (text, offset, line, column) => {
  expect(positionOf(encodeUtf8(text), offset)).toEqual({ line, column });
});
