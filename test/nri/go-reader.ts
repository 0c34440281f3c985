/** The runtime's queue of frames for one connection; one frame more closes its trunk. */
const QUEUE_LENGTH = 256;

/** The buffer of Go's bufio.NewReader. */
const BUFFER_LENGTH = 4096;

export interface GoMessage {
  readonly streamId: number;
  readonly type: number;
  readonly body: Uint8Array;
}

/**
 * What the runtime does with the frames of one mux connection, at its worst: its reader sleeps until all of them are
 * queued. Modelled after Go's mux connection (one frame a read, ENOMEM for a buffer too small), bufio and ttRPC.
 */
export class GoReader {
  private readonly queue: Uint8Array[] = [];
  private readonly buffer = new Uint8Array(BUFFER_LENGTH);
  private read = 0;
  private written = 0;

  enqueue(payload: Uint8Array): void {
    if (payload.length === 0) throw new Error("empty frame");
    if (this.queue.length === QUEUE_LENGTH) throw new Error("failed to queue payload for reading");
    this.queue.push(payload);
  }

  /** Every message that is queued. */
  *receive(): Generator<GoMessage> {
    while (this.queue.length > 0 || this.read < this.written) {
      const header = this.readFull(new Uint8Array(10));
      const view = new DataView(header.buffer);
      const body = this.readFull(new Uint8Array(view.getUint32(0)));
      yield { streamId: view.getUint32(4), type: view.getUint8(8), body };
    }
  }

  private readFull(target: Uint8Array): Uint8Array {
    for (let at = 0; at < target.length; ) at += this.bufferedRead(target.subarray(at));
    return target;
  }

  /** bufio's Read: at most one read of the connection; a large target is read into directly. */
  private bufferedRead(target: Uint8Array): number {
    if (this.read === this.written) {
      if (target.length >= BUFFER_LENGTH) return this.connectionRead(target);
      this.read = 0;
      this.written = this.connectionRead(this.buffer);
    }
    const count = Math.min(target.length, this.written - this.read);
    target.set(this.buffer.subarray(this.read, this.read + count));
    this.read += count;
    return count;
  }

  private connectionRead(target: Uint8Array): number {
    const frame = this.queue.shift();
    if (frame === undefined) throw new Error("the message is not whole");
    if (frame.length > target.length) throw new Error("cannot allocate memory");
    target.set(frame);
    return frame.length;
  }
}
