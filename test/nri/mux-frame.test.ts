import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../src/nri/wire/frame-decoder.js";
import { encodeMuxFrames, muxLayout, splitForGo } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, cut, pattern } from "../support/bytes.js";
import { wireExamples } from "../support/wire-examples.js";
import { GoReader } from "./go-reader.js";

const MiB = 1024 * 1024;

/** Ways to put a message into frames; only the first is safe. */
const strategies = {
  "4096 and the rest": splitForGo,
  "one frame": (message: Uint8Array) => [message],
  "frames of 4096": (message: Uint8Array) => [...cut(message, 4096)],
};

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
  const overflow = "failed to queue payload for reading";
  const noMemory = "cannot allocate memory";
  const table = [
    { body: 0, expected: ["ok", "ok", "ok"] },
    { body: 4086, expected: ["ok", "ok", "ok"] },
    { body: 4087, expected: ["ok", noMemory, "ok"] },
    { body: 5000, expected: ["ok", noMemory, "ok"] },
    { body: MiB, expected: ["ok", noMemory, overflow] },
    { body: 4 * MiB, expected: ["ok", noMemory, overflow] },
  ];

  it.each(table)("takes a body of $body bytes only in 4096 and the rest", ({ body, expected }) => {
    const message = encodeTtrpcFrame(1, 2, pattern(body));
    expect(Object.values(strategies).map((split) => readByGo([message], split))).toEqual(expected);
  });

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

  it("dies of a tail that shares its frame with the next message", () => {
    const coalesced = concat([encodeTtrpcFrame(1, 2, pattern(4080)), encodeTtrpcFrame(3, 2, pattern(20))]);
    expect(readByGo([coalesced], (message) => [message])).toBe(noMemory);
  });
});

describe("a mux frame", () => {
  it.each(wireExamples)("of $title is written as in the example", ({ bytes, connId }) => {
    expect(concat(encodeMuxFrames(connId, bytes.subarray(8)))).toEqual(bytes);
  });

  it.each(wireExamples)("of $title is read wherever it is cut", ({ bytes, connId }) => {
    for (let at = 0; at <= bytes.length; at++) {
      const decoder = new FrameDecoder(muxLayout);
      const frames = [...decoder.push(bytes.subarray(0, at)), ...decoder.push(bytes.subarray(at))];
      const header = { connId, length: bytes.length - 8 };
      expect(frames, `cut at ${at}`).toEqual([{ kind: "whole", header, payload: bytes.subarray(8) }]);
    }
  });

  it("is never written for an empty message", () => {
    expect(encodeMuxFrames(1, new Uint8Array(0))).toEqual([]);
  });
});
