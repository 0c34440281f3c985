import { decodeResponse, type TtrpcResponse } from "../../../src/nri/ttrpc/envelope.js";
import { type Channel, CloseEvent, type Trunk } from "../../../src/nri/wire/trunk.js";
import { concat } from "../../support/bytes.js";
import { MessageReader, type WireMessage } from "./message-reader.js";

/** A stream whose other end is the test. */
class MemoryStream {
  protected readonly ended = new CloseEvent();
  private listener: (chunk: Uint8Array) => void = () => {};

  onData(listener: (chunk: Uint8Array) => void): void {
    this.listener = listener;
  }

  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  /** Lets bytes arrive. */
  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.listener(chunk);
  }

  /** Lets the peer end the connection, and what is told of it be told. */
  async end(error?: Error): Promise<void> {
    this.ended.fire(error);
    await settled();
  }
}

export class MemoryTrunk extends MemoryStream implements Trunk {
  readonly writes: (readonly Uint8Array[])[] = [];
  closedWith: Error | "orderly" | undefined;

  write(parts: readonly Uint8Array[]): void {
    if (this.closedWith !== undefined) throw new Error("a write after the close");
    this.writes.push(parts);
  }

  close(error?: Error): void {
    this.closedWith = error ?? "orderly";
    this.ended.fire(error);
  }

  written(): Uint8Array {
    return concat(this.writes.flat());
  }
}

export class MemoryChannel extends MemoryStream implements Channel {
  readonly sent: Uint8Array[] = [];

  send(message: Uint8Array): void {
    if (this.ended.fired) throw new Error("a message was sent after the close");
    this.sent.push(message);
  }

  /** The responses sent so far, decoded. */
  responses(): (TtrpcResponse & Pick<WireMessage, "streamId">)[] {
    const reader = new MessageReader();
    return this.sent
      .flatMap((message) => reader.push(muxFrame(1, message)))
      .map(({ streamId, body }) => ({ streamId, ...decodeResponse(body) }));
  }
}

/** Lets everything that is already due happen: promises and their successors. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A ttRPC message written by hand, not by our own encoder. */
export function message(streamId: number, type: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(body.length, 0);
  header.writeUInt32BE(streamId, 4);
  header.writeUInt8(type, 8);
  return concat([header, body]);
}

/** A mux frame written by hand. */
export function muxFrame(connId: number, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(connId, 0);
  header.writeUInt32BE(payload.length, 4);
  return concat([header, payload]);
}
