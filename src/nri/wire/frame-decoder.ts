/** What the header of every frame layout contains. */
export interface FrameHeader {
  /** Bytes of payload after the header. */
  readonly length: number;
}

/** The frame format of a protocol: a header of fixed size, which states the payload's length, and the payload. */
export interface FrameLayout<Header extends FrameHeader> {
  readonly headerLength: number;
  /** In bytes. The decoder skips longer payloads, and allocates no memory for them. */
  readonly maxPayloadLength: number;
  /** Reads a header from exactly headerLength bytes. Must not throw: any bytes are a valid header. */
  decodeHeader(bytes: DataView): Header;
}

/** A frame that the decoder found. The decoder returns an oversized frame as soon as its header has come, without payload. */
export type Frame<Header extends FrameHeader> =
  | { readonly kind: "whole"; readonly header: Header; readonly payload: Uint8Array }
  | { readonly kind: "oversized"; readonly header: Header };

/**
 * Reassembles length-prefixed frames, for the mux and for ttRPC. The frames do not depend on where the byte stream is cut into
 * chunks. The decoder never throws; the caller decides what to do about an oversized frame.
 *
 * The decoder copies each byte at most once, so its work is linear however small the chunks are. A payload that lies in one chunk
 * as a whole is a view of that chunk.
 */
export class FrameDecoder<Header extends FrameHeader> {
  private readonly head: Uint8Array;
  /** The header of the frame whose payload is coming; undefined while the decoder reads a header. */
  private header: Header | undefined;
  /** The payload that is coming; undefined until its first byte has come, and for an oversized payload. */
  private payload: Uint8Array | undefined;
  /** How many bytes of the current header, or of the current payload, have come. */
  private filled = 0;

  constructor(private readonly layout: FrameLayout<Header>) {
    this.head = new Uint8Array(layout.headerLength);
  }

  /** The frames that this chunk completes, in order. */
  push(chunk: Uint8Array): Frame<Header>[] {
    const frames: Frame<Header>[] = [];
    for (let at = 0; at < chunk.length; ) {
      at += this.consume(at === 0 ? chunk : chunk.subarray(at), frames);
    }
    return frames;
  }

  /** Takes bytes of the current header or payload from the front of `bytes`; returns how many, at least one. */
  private consume(bytes: Uint8Array, frames: Frame<Header>[]): number {
    const { header } = this;
    if (header === undefined) {
      const taken = fill(this.head, this.filled, bytes);
      this.filled += taken;
      if (this.filled === this.head.length) this.begin(frames);
      return taken;
    }
    const taken = Math.min(header.length - this.filled, bytes.length);
    if (header.length <= this.layout.maxPayloadLength) {
      this.payload ??= taken === header.length ? bytes.subarray(0, taken) : new Uint8Array(header.length);
      if (taken < header.length) fill(this.payload, this.filled, bytes);
    }
    this.filled += taken;
    if (this.filled === header.length) this.finish(header, frames);
    return taken;
  }

  /** Called when a header is complete: prepares for the payload, or finishes a frame without payload. */
  private begin(frames: Frame<Header>[]): void {
    const header = this.layout.decodeHeader(new DataView(this.head.buffer));
    this.header = header;
    this.filled = 0;
    if (header.length > this.layout.maxPayloadLength) frames.push({ kind: "oversized", header });
    if (header.length > 0) return;
    this.payload = new Uint8Array(0);
    this.finish(header, frames);
  }

  private finish(header: Header, frames: Frame<Header>[]): void {
    if (this.payload !== undefined) frames.push({ kind: "whole", header, payload: this.payload });
    this.header = undefined;
    this.payload = undefined;
    this.filled = 0;
  }
}

/** Copies as many bytes as fit into `target` from `offset` on; returns how many were copied. */
function fill(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  const count = Math.min(target.length - offset, bytes.length);
  target.set(count === bytes.length ? bytes : bytes.subarray(0, count), offset);
  return count;
}
