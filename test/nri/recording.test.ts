import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../src/nri/ttrpc/envelope.js";
import { FrameDecoder } from "../../src/nri/wire/frame-decoder.js";
import { encodeMuxFrames, muxLayout } from "../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame, MessageType, type TtrpcHeader, ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";
import { concat, cut } from "../support/bytes.js";

const wire = new URL("../../fixtures/wire/", import.meta.url);
const chunkLines = readFileSync(new URL("chunks.jsonl", wire), "utf8").trim().split("\n");

interface Recorded {
  readonly connId: number;
  readonly streamId: number;
  readonly type: number;
  readonly body: Uint8Array;
}

/** The messages of one direction, in the order in which they end. */
function read(chunks: Iterable<Uint8Array>): Recorded[] {
  const mux = new FrameDecoder(muxLayout);
  const channels = new Map<number, FrameDecoder<TtrpcHeader>>();
  const messages: Recorded[] = [];
  for (const chunk of chunks) {
    for (const frame of mux.push(chunk)) {
      if (frame.kind === "oversized") throw new Error("an oversized mux frame");
      const { connId } = frame.header;
      const channel = channels.get(connId) ?? new FrameDecoder(ttrpcLayout);
      channels.set(connId, channel);
      for (const message of channel.push(frame.payload)) {
        if (message.kind === "oversized") throw new Error("an oversized message");
        messages.push({ connId, ...message.header, body: message.payload });
      }
    }
  }
  return messages;
}

/** The same messages, each decoded and encoded again down to the mux. */
function write(messages: readonly Recorded[]): Uint8Array {
  return concat(
    messages.flatMap(({ connId, streamId, type, body }) => {
      const again =
        type === MessageType.request ? encodeRequest(decodeRequest(body)) : encodeResponse(decodeResponse(body));
      return encodeMuxFrames(connId, encodeTtrpcFrame(streamId, type, again));
    }),
  );
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

const directions = [
  { name: "runtime-to-plugin", mark: "runtime->plugin", messages: 135 },
  { name: "plugin-to-runtime", mark: "plugin->runtime", messages: 135 },
].map((direction) => {
  const bytes = new Uint8Array(readFileSync(new URL(`${direction.name}.bin`, wire)));
  const reads = chunkLines
    .filter((line) => line.includes(direction.mark))
    .map((line) => Number(/"len":(\d+)/.exec(line)?.[1]));
  return { ...direction, bytes, reads };
});

describe.each(directions)("a session of containerd 1.7.24, $name", ({ bytes, reads, messages }) => {
  it("is read the same in any chunks, and in those that it came in", () => {
    const expected = read([bytes]);
    expect(expected).toHaveLength(messages);
    for (const lengths of [[1, 2, 3, 5, 7], [4096], [65_536], reads]) {
      const found = read(cut(bytes, ...lengths));
      expect(found.length).toBe(expected.length);
      const differ = found.filter((message, at) => !same(message.body, expected[at]?.body ?? new Uint8Array(0)));
      expect(differ).toEqual([]);
    }
  });

  it("is written again to the same bytes, frame by frame", () => {
    expect(same(write(read([bytes])), bytes)).toBe(true);
  });
});
