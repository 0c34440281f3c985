import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BridgeError } from "../../src/base/errors.js";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type TtrpcRequest,
} from "../../src/nri/ttrpc/envelope.js";
import { concat, hex, utf8 } from "../support/bytes.js";

const empty: TtrpcRequest = { service: "", method: "", payload: new Uint8Array(0), timeoutNano: 0n, metadata: [] };

function outcome<T>(decode: (body: Uint8Array) => T, body: Uint8Array): T | BridgeError {
  try {
    return decode(body);
  } catch (error) {
    if (error instanceof BridgeError && error.code === "PROTOCOL") return error;
    throw error;
  }
}

describe("a request", () => {
  it("of no bytes is a request with nothing in it", () => {
    expect(decodeRequest(new Uint8Array(0))).toEqual(empty);
    expect(encodeRequest(empty)).toHaveLength(0);
  });

  it("gives its payload as a view, not a copy", () => {
    const body = concat([hex("1a 03"), utf8("abc")]);
    expect(decodeRequest(body).payload.buffer).toBe(body.buffer);
  });

  const timeouts = [
    { title: "2 s", bytes: "20 80 a8 d6 b9 07", nano: 2_000_000_000n },
    { title: "a deadline that passed, in ten bytes", bytes: "20 ff ff ff ff ff ff ff ff ff 01", nano: -1n },
    { title: "the longest", bytes: "20 ff ff ff ff ff ff ff ff 7f", nano: 2n ** 63n - 1n },
    { title: "beyond what a number holds", bytes: "20 81 80 80 80 80 80 80 10", nano: 2n ** 53n + 1n },
  ];
  it.each(timeouts)("has the timeout $title", ({ bytes, nano }) => {
    expect(decodeRequest(hex(bytes))).toEqual({ ...empty, timeoutNano: nano });
    expect(new Uint8Array(encodeRequest({ ...empty, timeoutNano: nano }))).toEqual(hex(bytes));
  });

  it("keeps its metadata in order, doubles included", () => {
    const bytes = hex("2a 06 0a 01 61 12 01 31 2a 06 0a 01 61 12 01 32 2a 03 0a 01 62");
    const metadata: [string, string][] = [
      ["a", "1"],
      ["a", "2"],
      ["b", ""],
    ];
    expect(decodeRequest(bytes)).toEqual({ ...empty, metadata });
    expect(new Uint8Array(encodeRequest({ ...empty, metadata }))).toEqual(bytes);
  });

  it("with more metadata than any trace has is refused", () => {
    const pairs = (count: number) => concat(Array.from({ length: count }, () => hex("2a 00")));
    expect(decodeRequest(pairs(1024)).metadata).toHaveLength(1024);
    expect(() => decodeRequest(pairs(1025))).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
  });

  it("takes the last of a field that comes twice", () => {
    expect(decodeRequest(hex("0a 01 61 0a 01 62")).service).toBe("b");
  });

  it("cut at any byte is PROTOCOL, or just its first fields", () => {
    const metadata: [string, string][] = [["a", "1"]];
    const body = new Uint8Array(
      encodeRequest({ service: "s", method: "m", payload: hex("01"), timeoutNano: 300n, metadata }),
    );
    for (let at = 0; at < body.length; at++) {
      const result = outcome(decodeRequest, body.slice(0, at));
      if (!(result instanceof BridgeError)) expect(new Uint8Array(encodeRequest(result))).toEqual(body.slice(0, at));
    }
  });

  const unknown = [
    { title: "a varint of a later version", bytes: "30 ff ff ff ff ff ff ff ff ff 01" },
    { title: "eight bytes", bytes: "31 00 00 00 00 00 00 00 00" },
    { title: "length and bytes", bytes: "32 02 aa bb" },
    { title: "four bytes", bytes: "35 00 00 00 00" },
    { title: "a group", bytes: "33 08 01 34" },
    { title: "a high field number", bytes: "fa ff ff ff 0f 00" },
    { title: "a known field with another wire type", bytes: "08 01" },
  ];
  it.each(unknown)("ignores $title", ({ bytes }) => {
    expect(decodeRequest(concat([hex(bytes), hex("12 01 6d")]))).toEqual({ ...empty, method: "m" });
  });

  const broken = [
    { title: "a field of number 0", bytes: "02 00" },
    { title: "a length beyond the end", bytes: "0a 05 61" },
    { title: "a length of 4 GiB", bytes: "1a ff ff ff ff 0f" },
    { title: "a varint without end", bytes: "20 ff ff ff ff ff ff ff ff ff ff ff ff" },
    { title: "a service that is no UTF-8", bytes: "0a 02 c3 28" },
    { title: "a wire type that does not exist", bytes: "0f 00" },
    { title: "the end of a group that never began", bytes: "0c" },
    { title: "a group without end", bytes: "33" },
    { title: "a metadata pair cut short", bytes: "2a 02 0a 05" },
  ];
  it.each(broken)("with $title is PROTOCOL", ({ bytes }) => {
    expect(outcome(decodeRequest, hex(bytes))).toBeInstanceOf(BridgeError);
  });

  it("with groups nested deeper than any is PROTOCOL, not a stack overflow", () => {
    expect(outcome(decodeRequest, new Uint8Array(1_000_000).fill(0x33))).toBeInstanceOf(BridgeError);
  });
});

describe("a response", () => {
  const table = [
    { title: "code OK without a text", bytes: "0a 00", status: { code: 0, message: "" } },
    {
      title: "a code below zero, in ten bytes",
      bytes: "0a 0b 08 ff ff ff ff ff ff ff ff ff 01",
      status: { code: -1, message: "" },
    },
  ];
  it.each(table)("reads and writes a status of $title", ({ bytes, status }) => {
    expect(decodeResponse(hex(bytes))).toEqual({ status, payload: new Uint8Array(0) });
    expect(new Uint8Array(encodeResponse({ status, payload: new Uint8Array(0) }))).toEqual(hex(bytes));
  });

  it("passes over a status's details", () => {
    expect(decodeResponse(hex("0a 0b 08 05 12 03 61 62 63 1a 02 0a 00")).status).toEqual({ code: 5, message: "abc" });
  });

  it("merges a status that comes twice", () => {
    expect(decodeResponse(hex("0a 02 08 05 0a 03 12 01 61")).status).toEqual({ code: 5, message: "a" });
  });

  it("writes U+FFFD where a text has a lone surrogate", () => {
    const bytes = encodeResponse({ status: { code: 2, message: "a\ud800b" }, payload: new Uint8Array(0) });
    expect(new Uint8Array(bytes)).toEqual(hex("0a 09 08 02 12 05 61 ef bf bd 62"));
  });
});

describe("any envelope", () => {
  const bytes = () => fc.uint8Array({ maxLength: 400 });

  it("comes back as it went", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    const request = fc.record({
      service: text,
      method: text,
      payload: bytes(),
      timeoutNano: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      metadata: fc.array(fc.tuple(text, text), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(request, (value) => {
        expect(decodeRequest(new Uint8Array(encodeRequest(value)))).toEqual(value);
      }),
    );
    const status = fc.record({ code: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), message: text });
    fc.assert(
      fc.property(status, bytes(), (value, payload) => {
        expect(decodeResponse(new Uint8Array(encodeResponse({ status: value, payload })))).toEqual({
          status: value,
          payload,
        });
      }),
    );
  });
});
