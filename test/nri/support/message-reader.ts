import { type Frame, FrameDecoder, type FrameHeader } from "../../../src/nri/wire/frame-decoder.js";
import { muxLayout } from "../../../src/nri/wire/mux-frame.js";
import { type TtrpcHeader, ttrpcLayout } from "../../../src/nri/wire/ttrpc-frame.js";

/** A ttRPC message as it was on the trunk. */
export interface WireMessage {
  readonly connId: number;
  readonly streamId: number;
  readonly type: number;
  readonly body: Uint8Array;
}

/** Reads one direction of a trunk: its messages, in the order in which they end. */
export class MessageReader {
  private readonly mux = new FrameDecoder(muxLayout);
  private readonly channels = new Map<number, FrameDecoder<TtrpcHeader>>();

  push(chunk: Uint8Array): WireMessage[] {
    return this.mux.push(chunk).flatMap((frame) => {
      const { connId } = frame.header;
      const channel = this.channels.get(connId) ?? new FrameDecoder(ttrpcLayout);
      this.channels.set(connId, channel);
      return channel.push(payloadOf(frame)).map((message) => {
        const { streamId, type } = message.header;
        return { connId, streamId, type, body: payloadOf(message) };
      });
    });
  }
}

function payloadOf(frame: Frame<FrameHeader>): Uint8Array {
  if (frame.kind === "oversized") throw new Error("an oversized frame was sent");
  return frame.payload;
}
