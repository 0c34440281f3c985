import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bool, type Codec, int64, omitempty, pointer, raw, string, uint16 } from "../../src/v01/gojson/codec.js";
import { decodeDocument, decodeFirstValue } from "../../src/v01/gojson/json.js";
import type { RawJson } from "../../src/v01/gojson/raw.js";
import { map, slice, struct } from "../../src/v01/gojson/struct.js";
import { encodeUtf8 } from "../../src/v01/gojson/utf8.js";

interface Inner {
  flag?: boolean;
  sizes: number[];
}

interface Outer {
  text: string;
  big: bigint;
  labels: Record<string, string>;
  inner?: Inner;
  note?: string;
  raw?: RawJson;
}

const inner = struct<Inner>("v1.Inner", () => ({ sizes: [] }), { flag: pointer(bool), sizes: slice(uint16) });
const outer: Codec<Outer> = struct<Outer>("v1.Outer", () => ({ text: "", big: 0n, labels: {} }), {
  text: string(),
  big: int64,
  labels: map(string()),
  inner: pointer(inner),
  note: omitempty(string()),
  raw,
});

const empty = '"text":"","big":0,"labels":{}';

// encoding/json decode.go: object, array, literalStore; encode.go: structEncoder.
describe("a struct as read and written again", () => {
  it.each([
    ["{}", `{${empty}}`],
    ["null", `{${empty}}`],
    ['{"TEXT":"a","other":[{}]}', '{"text":"a","big":0,"labels":{}}'],
    ['{"text":"a","Text":"b","text":null}', '{"text":"b","big":0,"labels":{}}'],
    ['{"big":9223372036854775807}', '{"text":"","big":9223372036854775807,"labels":{}}'],
    ['{"labels":{"a":"1"},"labels":{"b":null}}', '{"text":"","big":0,"labels":{"a":"1","b":""}}'],
    ['{"inner":{"flag":false},"inner":{"sizes":[1,2]}}', `{${empty},"inner":{"flag":false,"sizes":[1,2]}}`],
    ['{"inner":{"flag":true},"inner":null}', `{${empty}}`],
    ['{"inner":{"sizes":[1,2,3]},"inner":{"sizes":[null,9]}}', `{${empty},"inner":{"sizes":[1,9]}}`],
    ['{"note":"x","note":""}', `{${empty}}`],
    ['{"raw": [ 1 , "<" ] }', `{${empty},"raw":[1,"\\u003c"]}`],
    ['{"raw":null}', `{${empty},"raw":null}`],
  ])("%s -> %s", (text, written) => {
    const decoded = decodeDocument(encodeUtf8(text), outer);
    expect(decoded.ok ? outer.format(decoded.value) : decoded).toBe(written);
  });
});

describe("a map that stands many times", () => {
  it("costs its entries once, as in Go", () => {
    const entries = Array.from({ length: 20_000 }, (_, n) => `"k${n}":"v"`).join(",");
    const text = encodeUtf8(`{"labels":{${entries}}${',"labels":{}'.repeat(1000)},"labels":{"last":"v"}}`);
    const before = performance.now();
    const decoded = decodeDocument(text, outer);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(decoded.ok && Object.keys(decoded.value.labels)).toHaveLength(20_001);
  });

  it("adds to no map that was there before", () => {
    const labels = { kept: "1" };
    const given = struct<{ labels: Record<string, string> }>("v1.Given", () => ({ labels }), { labels: map(string()) });
    const decoded = decodeDocument(encodeUtf8('{"labels":{"a":"1"},"labels":{"b":"2"}}'), given);
    expect(decoded.ok && { ...decoded.value.labels }).toEqual({ kept: "1", a: "1", b: "2" });
    expect(labels).toEqual({ kept: "1" });
  });

  it("starts anew after null", () => {
    const decoded = decodeDocument(encodeUtf8('{"labels":{"a":"1"},"labels":null,"labels":{"b":"2"}}'), outer);
    expect(decoded.ok && { ...decoded.value.labels }).toEqual({ b: "2" });
  });
});

// encoding/json decode.go: UnmarshalTypeError.Error, decodeState.addErrorContext. The first one counts.
describe("a type error", () => {
  it.each([
    ["[]", "array into Go value of type v1.Outer", 0],
    [' "x"', "string into Go value of type v1.Outer", 1],
    ['{"text":1}', "number into Go struct field Outer.text of type string", 8],
    ['{"TEXT": true}', "bool into Go struct field Outer.text of type string", 9],
    ['{"big":1.5}', "number 1.5 into Go struct field Outer.big of type int64", 7],
    ['{"big":9223372036854775808}', "number 9223372036854775808 into Go struct field Outer.big of type int64", 7],
    ['{"labels":{"a":[]}}', "array into Go struct field Outer.labels of type string", 15],
    ['{"labels":7}', "number into Go struct field Outer.labels of type map[string]string", 10],
    ['{"inner":{"sizes":[1,65536]}}', "number 65536 into Go struct field Inner.inner.sizes of type uint16", 21],
    ['{"inner":{"sizes":{}}}', "object into Go struct field Inner.inner.sizes of type []uint16", 18],
    ['{"inner":{"flag":{}},"text":[]}', "object into Go struct field Inner.inner.flag of type bool", 17],
    ['{"inner":{"flag":true},"text":[]}', "array into Go struct field Outer.text of type string", 30],
  ])("of %s", (text, problem, offset) => {
    const reason = `json: cannot unmarshal ${problem}`;
    expect(decodeDocument(encodeUtf8(text), outer)).toEqual({ ok: false, code: "JSON_TYPE", reason, offset });
  });

  it("is found after a syntax error anywhere in the document", () => {
    expect(decodeDocument(encodeUtf8('{"text":1,}'), outer)).toMatchObject({ code: "JSON_SYNTAX" });
  });
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
