import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeDocument, decodeFirstValue, map, raw, string, struct } from "../../src/v01/gojson/codec.js";
import { encodeUtf8 } from "../../src/v01/gojson/utf8.js";

const outer = struct("v1.Outer", { text: string(), labels: map(string()) });

describe("a map that stands many times", () => {
  it("costs its entries once, as in Go", () => {
    const entries = Array.from({ length: 20_000 }, (_, n) => `"k${n}":"v"`).join(",");
    const text = encodeUtf8(`{"labels":{${entries}}${',"labels":{}'.repeat(1000)},"labels":{"last":"v"}}`);
    const before = process.cpuUsage();
    const decoded = decodeDocument(text, outer);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
    expect(decoded.ok && Object.keys(decoded.value.labels)).toHaveLength(20_001);
  });

  it("starts anew after null", () => {
    const decoded = decodeDocument(encodeUtf8('{"labels":{"a":"1"},"labels":null,"labels":{"b":"2"}}'), outer);
    expect(decoded.ok && { ...decoded.value.labels }).toEqual({ b: "2" });
  });
});

it("a syntax error anywhere in the document counts before a type error", () => {
  expect(decodeDocument(encodeUtf8('{"text":1,}'), outer)).toMatchObject({ code: "JSON_SYNTAX" });
});

it("decodeFirstValue ignores what follows", () => {
  expect(decodeFirstValue(encodeUtf8('{"text":"a"} }'), outer)).toMatchObject({ ok: true, value: { text: "a" } });
});

it("reads any JSON value as JSON.parse does", () => {
  const texts = map(string());
  const strings = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }));
  fc.assert(
    fc.property(strings, fc.constantFrom(undefined, 1), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const decoded = decodeDocument(encodeUtf8(text), texts);
      expect(decoded.ok && { ...decoded.value }).toEqual(JSON.parse(text));
    }),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const decoded = decodeDocument(encodeUtf8(JSON.stringify(value)), raw);
      expect(JSON.parse(decoded.ok ? (decoded.value ?? "") : decoded.reason)).toEqual(
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});
