import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMuxFrames, splitForGo } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, pattern } from "../support/bytes.js";
import { GoReader } from "./go-reader.js";

const MiB = 1024 * 1024;

function readByGo(messages: readonly Uint8Array[], split: (message: Uint8Array) => Uint8Array[]): string {
  const reader = new GoReader();
  try {
    for (const payload of messages.flatMap(split)) reader.enqueue(payload);
    const bodies = [...reader.receive()].map((message) => message.body);
    const sent = messages.map((message) => message.subarray(10));
    return bodies.length === sent.length && bodies.every((body, at) => Buffer.compare(body, sent[at] ?? body) === 0)
      ? "ok"
      : "other bytes";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("splitForGo", () => {
  const table = [
    { length: 0, payloads: [] },
    { length: 1, payloads: [1] },
    { length: 10, payloads: [10] },
    { length: 4095, payloads: [4095] },
    { length: 4096, payloads: [4096] },
    { length: 4097, payloads: [4096, 1] },
    { length: MiB, payloads: [4096, MiB - 4096] },
    { length: 4 * MiB + 10, payloads: [4096, 4 * MiB + 10 - 4096] },
    { length: 8 * MiB, payloads: [4096, 4 * MiB + 10, 4 * MiB - 4096 - 10] },
  ];

  it.each(table)("cuts a message of $length bytes into $payloads", ({ length, payloads }) => {
    const message = pattern(length);
    const parts = splitForGo(message);
    expect(parts.map((part) => part.length)).toEqual(payloads);
    expect(Buffer.compare(concat(parts), message)).toBe(0);
  });

  it("copies nothing", () => {
    const message = pattern(10_000);
    for (const part of splitForGo(message)) expect(part.buffer).toBe(message.buffer);
  });
});

describe("Go's reader", () => {
  it.each([0, 4086, 4087, 5000, MiB, 4 * MiB])(
    "takes a body of %i bytes, not in one frame when it is longer",
    (body) => {
      const message = encodeTtrpcFrame(1, 2, pattern(body));
      expect(readByGo([message], splitForGo)).toBe("ok");
      expect(readByGo([message], (whole) => [whole])).toBe(body > 4086 ? "cannot allocate memory" : "ok");
    },
  );

  it("takes any messages one after the other", () => {
    const bodies = fc.array(fc.oneof(fc.nat(20), fc.integer({ min: 4000, max: 9000 })), { maxLength: 60 });
    fc.assert(
      fc.property(bodies, (lengths) => {
        const messages = lengths.map((length, at) => encodeTtrpcFrame(2 * at + 1, 2, pattern(length)));
        expect(readByGo(messages, splitForGo)).toBe("ok");
      }),
      { numRuns: 50 },
    );
  });
});

describe("a mux frame", () => {
  it("is never written for an empty message", () => {
    expect(encodeMuxFrames(1, new Uint8Array(0))).toEqual([]);
  });
});
