import { BridgeError } from "../errors.js";
import type { FieldReader } from "../gen/nri.js";

/**
 * Reads protobuf fields off one payload, 64-bit integers as bigint. The generated readers in src/gen drive it.
 *
 * A tag is `field << 3 | wire type`; wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
 * Errors: PROTOCOL when the bytes end inside a field or break the encoding.
 */
export class ProtobufReader implements FieldReader {
  private readonly buffer: Buffer;
  /** The upper half of the varint read last. */
  private high = 0;
  pos = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get end(): number {
    return this.buffer.length;
  }

  /** Reads a length and gives the offset at which what it announces ends. */
  enter(): number {
    const end = this.uint32() + this.pos;
    if (this.high !== 0 || end > this.buffer.length) throw broken("a length runs past the end");
    return end;
  }

  /** Ends a message that was to end at an offset. */
  leave(end: number): void {
    if (this.pos !== end) throw broken("a field runs past the end of its message");
  }

  tag(): number {
    const tag = this.uint32();
    if (tag < 8 || this.high !== 0) throw broken("a field has the number 0");
    return tag;
  }

  uint32(): number {
    return this.varint() >>> 0;
  }

  int32(): number {
    return this.varint() | 0;
  }

  bool(): boolean {
    return (this.varint() | this.high) !== 0;
  }

  uint64(): bigint {
    const low = this.uint32();
    return this.high === 0 ? BigInt(low) : (BigInt(this.high >>> 0) << 32n) | BigInt(low);
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  string(): string {
    const end = this.enter();
    const text = this.buffer.toString("utf8", this.pos, end);
    this.pos = end;
    return text;
  }

  /** Passes over a field that is not in the schema, or that has another wire type than there. */
  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.advance(8);
    else if (wireType === 2) this.pos = this.enter();
    else if (wireType === 5) this.advance(4);
    else throw broken(`wire type ${wireType} is not in use`);
  }

  private advance(bytes: number): void {
    this.pos += bytes;
    if (this.pos > this.buffer.length) throw broken("a field runs past the end");
  }

  /** The lower 32 bits of a varint of up to ten bytes; the upper 32 bits go to `high`. */
  private varint(): number {
    let low = 0;
    this.high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.buffer[this.pos++];
      if (byte === undefined) throw broken("the bytes end inside a number");
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        this.high = bits >>> 4;
      } else this.high |= bits << (shift - 32);
      if (byte < 0x80) return low;
    }
    throw broken("a number has more than ten bytes");
  }
}

function broken(what: string): BridgeError {
  return new BridgeError("PROTOCOL", `the peer sent a message that cannot be read: ${what}`);
}
