import type { OnReadOpts, Socket } from "node:net";
import { BridgeError } from "../../base/errors.js";
import type { Trunk } from "./trunk.js";
import { CloseEvent } from "./trunk.js";

/** Bytes that may wait for a peer that does not read; eight of the longest messages. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/** Up to here the parts of a message are joined by copying. */
const JOINED_BYTES = 4096;

/** How long an orderly close waits for the peer to take what is queued, in milliseconds. */
const LINGER_MS = 1000;

/** More than a unix socket of Linux holds: a long message comes in few reads. */
const READ_BYTES = 256 * 1024;

/** From here on a read's memory is given away instead of copied. */
const GIVEN_AWAY_BYTES = 32 * 1024;

/**
 * What a socket reads, without the stream around it: read into one buffer, and copied out of it. A stream takes new memory
 * for each read, which is the collector's work later, and a third of the time of an event that nobody wants.
 */
export class SocketReader implements OnReadOpts {
  private memory: Uint8Array | undefined;
  private listener: (chunk: Uint8Array) => void = () => {};
  /** What came before anybody listened. */
  private early: Uint8Array[] | undefined = [];

  /** Where the next read goes. */
  readonly buffer = (): Uint8Array => {
    this.memory ??= new Uint8Array(READ_BYTES);
    return this.memory;
  };

  readonly callback = (size: number, memory: Uint8Array): boolean => {
    let chunk: Uint8Array;
    if (size < GIVEN_AWAY_BYTES) chunk = memory.slice(0, size);
    else {
      this.memory = undefined;
      chunk = memory.subarray(0, size);
    }
    if (this.early === undefined) this.listener(chunk);
    else this.early.push(chunk);
    return true;
  };

  /** To be called once. */
  listen(listener: (chunk: Uint8Array) => void): void {
    this.listener = listener;
    const { early = [] } = this;
    this.early = undefined;
    for (const chunk of early) listener(chunk);
  }
}

/** A connected unix socket as a trunk. Owns the socket from here on. */
export class SocketTrunk implements Trunk {
  private readonly ended = new CloseEvent();

  /** @param reader the one that the socket was made with; a server's sockets have none */
  constructor(
    private readonly socket: Socket,
    private readonly reader?: SocketReader,
    private readonly maxQueuedBytes = MAX_QUEUED_BYTES,
  ) {
    // For good: after the close too an EPIPE may come, and an error event nobody listens to would end the process.
    socket.on("error", (error) => this.ended.fire(broken(error)));
    // The end of what the peer sends is the end of the connection; nothing is written to it any more.
    socket.on("end", () => this.close());
    socket.on("close", () => this.ended.fire());
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.ended.fired) return;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.socket.writableLength + length > this.maxQueuedBytes) {
      const waiting = this.socket.writableLength;
      this.close(
        new BridgeError("CONNECTION_CLOSED", `the peer does not read: ${waiting} bytes wait for it`, { waiting }),
      );
      return;
    }
    // One write(2) of a short message costs less than gathering its parts.
    if (length <= JOINED_BYTES) {
      this.socket.write(Buffer.concat(parts, length));
      return;
    }
    // Corked, the parts go out in one writev(2), and none of them is copied.
    this.socket.cork();
    for (const part of parts) this.socket.write(part);
    this.socket.uncork();
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    const take = (chunk: Uint8Array) => {
      if (!this.ended.fired) listener(chunk);
    };
    this.reader?.listen(take);
    // A plain Uint8Array: a Buffer's slice is a view where an array's is a copy.
    if (this.reader === undefined) {
      this.socket.on("data", (chunk: Buffer) => take(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)));
    }
  }

  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  close(error?: Error): void {
    if (this.ended.fired) return;
    this.ended.fire(error);
    if (error !== undefined || this.socket.readableEnded) {
      this.socket.destroy();
      return;
    }
    const linger = setTimeout(() => this.socket.destroy(), LINGER_MS);
    this.socket.once("close", () => clearTimeout(linger));
    this.socket.destroySoon();
  }
}

function broken(error: Error): BridgeError {
  return new BridgeError("CONNECTION_CLOSED", `the connection broke: ${error.message}`, {}, { cause: error });
}
