/** The least that every frame's header says. */
export interface FrameHeader {
  /** Bytes of payload after the header. */
  readonly length: number;
}

/** How a layer frames its bytes: a header of fixed size that announces the payload's length. */
export interface FrameLayout<Header extends FrameHeader> {
  readonly headerLength: number;
  /** Payloads announced longer than this are passed over, and no memory is taken for them. */
  readonly maxPayloadLength: number;
  /** Reads a header out of exactly headerLength bytes; every pattern of bits is one. */
  decodeHeader(bytes: DataView): Header;
}

/** A frame as the decoder found it; an oversized one is told by its header, as soon as that is read. */
export type Frame<Header extends FrameHeader> =
  | { readonly kind: "whole"; readonly header: Header; readonly payload: Uint8Array }
  | { readonly kind: "oversized"; readonly header: Header };

/**
 * The one reassembler of length-prefixed frames, for the mux and for ttRPC. Takes a byte stream cut anywhere and gives
 * the same frames for every cutting. It never throws: what an oversized frame costs is the caller's decision.
 *
 * Each byte is copied at most once, so the work is linear however small the chunks are; a payload that lies whole in
 * one chunk is a view of that chunk.
 */
export class FrameDecoder<Header extends FrameHeader> {
  private readonly head: Uint8Array;
  /** Of the frame whose payload comes now; undefined while a header is read. */
  private header: Header | undefined;
  /** Undefined until its first byte comes, and for one that is passed over. */
  private payload: Uint8Array | undefined;
  /** How many bytes of the header, or of the payload, have come. */
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

  /** Takes what is wanted next from the front of the bytes; returns how many it took, at least one. */
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

  /** Decides, now that the header is whole, what becomes of the payload. */
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

/** Copies as much as fits into target from the given offset; returns how much that was. */
function fill(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  const count = Math.min(target.length - offset, bytes.length);
  target.set(count === bytes.length ? bytes : bytes.subarray(0, count), offset);
  return count;
}
