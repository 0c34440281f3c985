import { decodeResponse, type TtrpcResponse } from "../../src/nri/ttrpc/envelope.js";
import { FrameDecoder } from "../../src/nri/wire/frame-decoder.js";
import { type Channel, CloseEvent } from "../../src/nri/wire/trunk.js";
import { ttrpcLayout } from "../../src/nri/wire/ttrpc-frame.js";

/** A channel whose other end is the test: it feeds bytes in and looks at what was sent. */
export class MemoryChannel implements Channel {
  readonly sent: Uint8Array[] = [];
  private dataListener: (chunk: Uint8Array) => void = () => {};
  private readonly ended = new CloseEvent();

  send(message: Uint8Array): void {
    if (this.ended.fired) throw new Error("a message was sent after the close");
    this.sent.push(message);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.dataListener = listener;
  }

  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  /** Lets the connection end, and what is told of it be told. */
  async end(error?: Error): Promise<void> {
    this.ended.fire(error);
    await settled();
  }

  /** Lets bytes arrive. */
  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.dataListener(chunk);
  }

  /** The responses sent so far, decoded. */
  responses(): (TtrpcResponse & { streamId: number })[] {
    const decoder = new FrameDecoder(ttrpcLayout);
    return this.sent
      .flatMap((message) => decoder.push(message))
      .map((frame) => {
        if (frame.kind === "oversized") throw new Error("an oversized message was sent");
        return { streamId: frame.header.streamId, ...decodeResponse(frame.payload) };
      });
  }
}

/** Lets everything that is already due happen: promises and their successors. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A message written by hand, not by our own encoder. */
export function message(streamId: number, type: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(10 + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeUInt32BE(streamId, 4);
  bytes.writeUInt8(type, 8);
  bytes.set(body, 10);
  return new Uint8Array(bytes);
}
