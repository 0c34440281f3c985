import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Frame, FrameDecoder, type FrameHeader, type FrameLayout } from "../../src/nri/wire/frame-decoder.js";
import { type MuxHeader, muxLayout } from "../../src/nri/wire/mux-frame.js";
import { type TtrpcHeader, ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, cut, hex, pattern } from "../support/bytes.js";

function decode<H extends FrameHeader>(layout: FrameLayout<H>, chunks: Iterable<Uint8Array>): Frame<H>[] {
  const decoder = new FrameDecoder(layout);
  return [...chunks].flatMap((chunk) => decoder.push(chunk));
}

/** A mux frame written by hand, not by our own encoder. */
function muxFrame(connId: number, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(connId, 0);
  header.writeUInt32BE(payload.length, 4);
  return concat([header, payload]);
}

function ttrpcFrame(streamId: number, type: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(body.length, 0);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt8(type, 8);
  return concat([header, body]);
}

const two = concat([muxFrame(1, hex("aa bb cc")), muxFrame(2, hex("")), muxFrame(0xffffffff, hex("01"))]);
const twoFrames: Frame<MuxHeader>[] = [
  { kind: "whole", header: { connId: 1, length: 3 }, payload: hex("aa bb cc") },
  { kind: "whole", header: { connId: 2, length: 0 }, payload: hex("") },
  { kind: "whole", header: { connId: 0xffffffff, length: 1 }, payload: hex("01") },
];

afterEach(() => vi.restoreAllMocks());

describe("the frame decoder", () => {
  it("gives several frames out of one chunk", () => {
    expect(decode(muxLayout, [two])).toEqual(twoFrames);
  });

  it("gives any sequence of frames back however it is cut", () => {
    const frames = fc.array(fc.tuple(fc.nat(0xffffffff), fc.uint8Array({ maxLength: 300 })), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(frames, cuts, (expected, lengths) => {
        const bytes = concat(expected.map(([connId, payload]) => muxFrame(connId, payload)));
        const found = decode(muxLayout, cut(bytes, ...lengths));
        expect(found).toEqual(
          expected.map(([connId, payload]) => ({
            kind: "whole",
            header: { connId, length: payload.length },
            payload,
          })),
        );
      }),
    );
  });

  it("keeps types and flags that nobody defined", () => {
    expect(decode(ttrpcLayout, [hex("00000000 ffffffff 7f 05")])).toMatchObject([
      { header: { streamId: 0xffffffff, type: 0x7f, flags: 5 } },
    ]);
  });

  it("knows whether the stream stands inside a frame", () => {
    const bytes = muxFrame(1, hex("aabb"));
    for (let at = 0; at <= bytes.length; at++) {
      const decoder = new FrameDecoder(muxLayout);
      decoder.push(bytes.subarray(0, at));
      expect(decoder.partial, `after ${at} bytes`).toBe(at > 0 && at < bytes.length);
    }
  });

  it("gives a payload that lies whole in a chunk as a view of it", () => {
    const [frame] = decode(muxLayout, [two]);
    expect(frame?.kind === "whole" && frame.payload.buffer).toBe(two.buffer);
    const last = muxFrame(1, hex("aabb"));
    const [whole] = decode(muxLayout, [last]);
    expect(whole?.kind === "whole" && whole.payload.buffer).toBe(last.buffer);
  });

  it("reads a chunk that is itself a view at an odd offset", () => {
    const larger = concat([hex("ff ff ff"), two, hex("ff")]);
    expect(decode(muxLayout, [larger.subarray(3, 3 + two.length)])).toEqual(twoFrames);
    expect(decode(muxLayout, [Buffer.from(two)])).toMatchObject([{ header: { connId: 1 } }, {}, {}]);
  });
});

describe("a frame beyond the limit", () => {
  const limits = [
    { name: "mux", layout: muxLayout, at: hex("00000001 0100000a"), beyond: hex("00000001 0100000b") },
    { name: "ttRPC", layout: ttrpcLayout, at: hex("01000000 00000001 0100"), beyond: hex("01000001 00000001 0100") },
  ];

  it.each(limits)("$name: the longest payload is taken, one byte more is not", ({ layout, at, beyond }) => {
    expect(decode<MuxHeader | TtrpcHeader>(layout, [at])).toEqual([]);
    expect(decode<MuxHeader | TtrpcHeader>(layout, [beyond])).toMatchObject([{ kind: "oversized" }]);
  });

  it("takes no memory for what it announces", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder(muxLayout));
    for (const decoder of decoders) decoder.push(hex("00000001 ffffffff 00"));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(decoders.every((decoder) => decoder.partial)).toBe(true);
  });

  it("is told by its header and passed over; the next frame is read", () => {
    const body = pattern(16 * 1024 * 1024 + 1);
    const bytes = concat([ttrpcFrame(3, 1, body), ttrpcFrame(5, 1, hex("0a"))]);
    for (const length of [bytes.length, 65_536, 4093]) {
      expect(decode(ttrpcLayout, cut(bytes, length))).toEqual([
        { kind: "oversized", header: { length: body.length, streamId: 3, type: 1, flags: 0 } },
        { kind: "whole", header: { length: 1, streamId: 5, type: 1, flags: 0 }, payload: hex("0a") },
      ]);
    }
  });
});

describe("the work of reassembly", () => {
  const MiB = 1024 * 1024;

  it.each([
    { size: MiB / 4, chunk: 1 },
    { size: MiB, chunk: 7 },
    { size: 4 * MiB, chunk: 4096 },
    { size: 4 * MiB, chunk: 65_536 },
  ])("is linear for $size bytes in chunks of $chunk: each byte is copied at most once", ({ size, chunk }) => {
    const bytes = ttrpcFrame(1, 2, pattern(size));
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
});
