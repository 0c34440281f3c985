import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { concat, hex, utf8 } from "../support/bytes.js";

const none = new Uint8Array(0);
const empty = { service: "", method: "", payload: none, timeoutNano: 0n, metadata: [] };

describe("a request", () => {
  it("of no bytes is a request with nothing in it", () => {
    expect(decodeRequest(none)).toEqual(empty);
    expect(encodeRequest(empty)).toHaveLength(0);
  });

  it("gives its payload as a view, not a copy", () => {
    const body = concat([hex("1a 03"), utf8("abc")]);
    expect(decodeRequest(body).payload.buffer).toBe(body.buffer);
  });

  it.each([
    ["a timeout of 2 s", "20 80 a8 d6 b9 07", { timeoutNano: 2_000_000_000n }],
    ["one that passed, in ten bytes", "20 ff ff ff ff ff ff ff ff ff 01", { timeoutNano: -1n }],
    ["the longest", "20 ff ff ff ff ff ff ff ff 7f", { timeoutNano: 2n ** 63n - 1n }],
    ["one beyond what a number holds", "20 81 80 80 80 80 80 80 10", { timeoutNano: 2n ** 53n + 1n }],
    [
      "metadata in order, doubles included",
      "2a 06 0a 01 61 12 01 31 2a 06 0a 01 61 12 01 32 2a 03 0a 01 62",
      { metadata: ["a1", "a2", "b"].map(([key = "", value = ""]) => [key, value] as const) },
    ],
  ])("reads and writes %s", (_, bytes, fields) => {
    expect(decodeRequest(hex(bytes))).toEqual({ ...empty, ...fields });
    expect(new Uint8Array(encodeRequest({ ...empty, ...fields }))).toEqual(hex(bytes));
  });

  it("with more metadata than any trace has is refused", () => {
    const pairs = (count: number) => concat(Array.from({ length: count }, () => hex("2a 00")));
    expect(decodeRequest(pairs(1024)).metadata).toHaveLength(1024);
    expect(() => decodeRequest(pairs(1025))).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  });

  it("with groups nested deeper than any is PROTOCOL, not a stack overflow", () => {
    const nested = new Uint8Array(1_000_000).fill(0x33);
    expect(() => decodeRequest(nested)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  });
});

describe("a response", () => {
  it.each([
    ["code OK without a text", "0a 00", { code: 0, message: "" }],
    ["a code below zero, in ten bytes", "0a 0b 08 ff ff ff ff ff ff ff ff ff 01", { code: -1, message: "" }],
    ["a text with a lone surrogate", "0a 09 08 02 12 05 61 ef bf bd 62", { code: 2, message: "a\ufffdb" }],
  ])("reads and writes a status of %s", (_, bytes, status) => {
    expect(decodeResponse(hex(bytes))).toEqual({ status, payload: none });
    const message = status.message.replace("\ufffd", "\ud800");
    expect(new Uint8Array(encodeResponse({ status: { ...status, message }, payload: none }))).toEqual(hex(bytes));
  });

  it("passes over a status's details, and merges one that comes twice", () => {
    expect(decodeResponse(hex("0a 0b 08 05 12 03 61 62 63 1a 02 0a 00")).status).toEqual({ code: 5, message: "abc" });
    expect(decodeResponse(hex("0a 02 08 05 0a 03 12 01 61")).status).toEqual({ code: 5, message: "a" });
  });
});

it("any envelope comes back as it went", () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  const text = fc.string({ unit: "grapheme", maxLength: 40 });
  const request = fc.record({
    service: text,
    method: text,
    payload: bytes,
    timeoutNano: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    metadata: fc.array(fc.tuple(text, text), { maxLength: 5 }),
  });
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const response = fc.record({ status: fc.record({ code: int32, message: text }), payload: bytes });
  fc.assert(
    fc.property(request, response, (sent, answered) => {
      expect(decodeRequest(new Uint8Array(encodeRequest(sent)))).toEqual(sent);
      expect(decodeResponse(new Uint8Array(encodeResponse(answered)))).toEqual(answered);
    }),
  );
});
