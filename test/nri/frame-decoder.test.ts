import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { type Frame, FrameDecoder, type FrameHeader, type FrameLayout } from "../../src/nri/wire/frame-decoder.js";
import { type MuxHeader, muxLayout } from "../../src/nri/wire/mux-frame.js";
import { type TtrpcHeader, ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, cut, hex, pattern } from "../support/bytes.js";
import { message, muxFrame } from "./support/memory.js";

function decode<H extends FrameHeader>(layout: FrameLayout<H>, chunks: Iterable<Uint8Array>): Frame<H>[] {
  const decoder = new FrameDecoder(layout);
  return [...chunks].flatMap((chunk) => decoder.push(chunk));
}

afterEach(() => vi.restoreAllMocks());

it("gives any sequence of frames back however it is cut", () => {
  const frames = fc.array(fc.tuple(fc.nat(0xffffffff), fc.uint8Array({ maxLength: 300 })), { maxLength: 12 });
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(frames, cuts, (expected, lengths) => {
      const bytes = concat(expected.map(([connId, payload]) => muxFrame(connId, payload)));
      const found = expected.map(([connId, payload]) => {
        return { kind: "whole", header: { connId, length: payload.length }, payload };
      });
      expect(decode(muxLayout, cut(bytes, ...lengths))).toEqual(found);
      // In one chunk, which is itself a view at an odd offset.
      expect(decode(muxLayout, [concat([hex("ff ff ff"), bytes]).subarray(3)])).toEqual(found);
    }),
  );
});

it("gives a payload that lies whole in a chunk as a view of it", () => {
  const bytes = muxFrame(1, hex("aabb"));
  const [frame] = decode(muxLayout, [bytes]);
  expect(frame?.kind === "whole" && frame.payload.buffer).toBe(bytes.buffer);
});

it.each([
  { name: "mux", layout: muxLayout, at: hex("00000001 0100000a"), beyond: hex("00000001 0100000b") },
  { name: "ttRPC", layout: ttrpcLayout, at: hex("01000000 00000001 0100"), beyond: hex("01000001 00000001 0100") },
])("$name: the longest payload is taken, one byte more is not", ({ layout, at, beyond }) => {
  expect(decode<MuxHeader | TtrpcHeader>(layout, [at])).toEqual([]);
  expect(decode<MuxHeader | TtrpcHeader>(layout, [beyond])).toMatchObject([{ kind: "oversized" }]);
});

it("takes no memory for what a frame beyond the limit announces", () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => new FrameDecoder(muxLayout));
  for (const decoder of decoders) decoder.push(hex("00000001 ffffffff 00"));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});

it.each([
  { size: 1 << 18, chunk: 1 },
  { size: 1 << 20, chunk: 7 },
  { size: 1 << 22, chunk: 4096 },
])("copies each byte once at most, of $size bytes in chunks of $chunk", ({ size, chunk }) => {
  const bytes = message(1, 2, pattern(size));
  const set = vi.spyOn(Uint8Array.prototype, "set").mockName("set");
  const decoder = new FrameDecoder(ttrpcLayout);
  const found: Frame<TtrpcHeader>[] = [];
  let copied = 0;
  for (let at = 0; at < bytes.length; at += chunk) {
    found.push(...decoder.push(bytes.subarray(at, at + chunk)));
    for (const [source] of set.mock.calls) copied += source.length;
    set.mockClear();
  }
  expect(found).toHaveLength(1);
  expect(found[0]?.kind === "whole" && Buffer.compare(found[0].payload, bytes.subarray(10))).toBe(0);
  expect(copied).toBe(bytes.length);
});
