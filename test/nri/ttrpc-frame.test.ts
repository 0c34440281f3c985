import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../src/nri/wire/frame-decoder.js";
import { encodeTtrpcFrame, MAX_SENT_BODY, ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";
import { hex } from "../support/bytes.js";
import { wireExamples } from "../support/wire-examples.js";

describe("a ttRPC message", () => {
  const messages = wireExamples.map((example) => ({ ...example, message: example.bytes.subarray(8) }));

  it.each(messages)("of $title is written as in the example", ({ message, streamId, body }) => {
    expect(encodeTtrpcFrame(streamId, body.type, message.subarray(10))).toEqual(message);
  });

  it.each(messages)("of $title is read wherever it is cut", ({ message, streamId, body }) => {
    for (let at = 0; at <= message.length; at++) {
      const decoder = new FrameDecoder(ttrpcLayout);
      const frames = [...decoder.push(message.subarray(0, at)), ...decoder.push(message.subarray(at))];
      const header = { length: message.length - 10, streamId, type: body.type, flags: 0 };
      expect(frames, `cut at ${at}`).toEqual([{ kind: "whole", header, payload: message.subarray(10) }]);
    }
  });

  it("keeps types and flags that nobody defined", () => {
    expect(new FrameDecoder(ttrpcLayout).push(hex("00000000 ffffffff 7f 05"))).toMatchObject([
      { header: { streamId: 0xffffffff, type: 0x7f, flags: 5 } },
    ]);
  });

  it("is never sent with more than 4 MiB, although more is taken", () => {
    expect(encodeTtrpcFrame(1, 2, new Uint8Array(MAX_SENT_BODY))).toHaveLength(MAX_SENT_BODY + 10);
    expect(() => encodeTtrpcFrame(1, 2, new Uint8Array(MAX_SENT_BODY + 1))).toThrow(
      expect.objectContaining({
        code: "FRAME_TOO_LARGE",
        message: "message length 4194305 exceeds the maximum of 4194304",
      }),
    );
    expect(ttrpcLayout.maxPayloadLength).toBeGreaterThan(MAX_SENT_BODY);
  });
});
