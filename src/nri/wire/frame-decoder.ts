/** What every frame's header says at least. */
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

type Step<Header extends FrameHeader> =
  | { readonly at: "header"; filled: number }
  | { readonly at: "payload"; readonly header: Header; payload?: Uint8Array; filled: number }
  | { readonly at: "skip"; left: number };

type PayloadStep<Header extends FrameHeader> = Extract<Step<Header>, { readonly at: "payload" }>;

/**
 * The one reassembler of length-prefixed frames, for the mux and for ttRPC. Takes a byte stream cut anywhere and gives
 * the same frames for every cutting. It never throws: what an oversized frame costs is the caller's decision.
 *
 * Each byte is copied at most once, so the work is linear however small the chunks are; a payload that lies whole in
 * one chunk is a view of that chunk.
 */
export class FrameDecoder<Header extends FrameHeader> {
  private readonly head: Uint8Array;
  private step: Step<Header> = { at: "header", filled: 0 };

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

  /** Takes what the current step needs from the front of the bytes; returns how many it took, at least one. */
  private consume(bytes: Uint8Array, frames: Frame<Header>[]): number {
    const step = this.step;
    switch (step.at) {
      case "header": {
        const taken = fill(this.head, step.filled, bytes);
        step.filled += taken;
        if (step.filled === this.head.length) this.begin(frames);
        return taken;
      }
      case "payload":
        return this.collect(step, bytes, frames);
      case "skip": {
        const taken = Math.min(step.left, bytes.length);
        step.left -= taken;
        if (step.left === 0) this.step = { at: "header", filled: 0 };
        return taken;
      }
    }
  }

  /** Decides, now that the header is whole, what becomes of the payload. */
  private begin(frames: Frame<Header>[]): void {
    const header = this.layout.decodeHeader(new DataView(this.head.buffer, this.head.byteOffset, this.head.byteLength));
    if (header.length > this.layout.maxPayloadLength) {
      frames.push({ kind: "oversized", header });
      this.step = { at: "skip", left: header.length };
    } else if (header.length === 0) {
      frames.push({ kind: "whole", header, payload: new Uint8Array(0) });
      this.step = { at: "header", filled: 0 };
    } else {
      this.step = { at: "payload", header, filled: 0 };
    }
  }

  private collect(step: PayloadStep<Header>, bytes: Uint8Array, frames: Frame<Header>[]): number {
    const { header } = step;
    let taken = header.length;
    if (step.payload === undefined && bytes.length >= taken) step.payload = bytes.subarray(0, taken);
    else {
      step.payload ??= new Uint8Array(header.length);
      taken = fill(step.payload, step.filled, bytes);
    }
    step.filled += taken;
    if (step.filled === header.length) {
      frames.push({ kind: "whole", header, payload: step.payload });
      this.step = { at: "header", filled: 0 };
    }
    return taken;
  }
}

/** Copies as much as fits into target from the given offset; returns how much that was. */
function fill(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  const count = Math.min(target.length - offset, bytes.length);
  target.set(count === bytes.length ? bytes : bytes.subarray(0, count), offset);
  return count;
}
