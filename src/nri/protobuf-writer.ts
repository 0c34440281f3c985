import { BridgeError } from "../errors.js";
import type { FieldWriter } from "../gen/nri.js";

const firstSize = 512;

/**
 * Writes protobuf fields, 64-bit integers from bigint. The generated writers in src/gen drive it.
 *
 * A number that its field cannot hold is an error (INTERNAL), never another number.
 */
export class ProtobufWriter implements FieldWriter {
  private buffer = Buffer.allocUnsafe(firstSize);
  private pos = 0;

  finish(): Uint8Array {
    return new Uint8Array(this.buffer.subarray(0, this.pos));
  }

  uint32(tag: number, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw outOfRange("uint32", value);
    this.varint(tag);
    this.varint(value);
  }

  int32(tag: number, value: number): void {
    if (value !== (value | 0)) throw outOfRange("int32", value);
    this.varint(tag);
    this.packedInt32(value);
  }

  bool(tag: number, value: boolean): void {
    this.varint(tag);
    this.varint(value ? 1 : 0);
  }

  uint64(tag: number, value: bigint): void {
    if (value !== BigInt.asUintN(64, value)) throw outOfRange("uint64", value);
    this.varint(tag);
    this.varint64(value);
  }

  int64(tag: number, value: bigint): void {
    if (value !== BigInt.asIntN(64, value)) throw outOfRange("int64", value);
    this.varint(tag);
    this.varint64(BigInt.asUintN(64, value));
  }

  string(tag: number, value: string): void {
    this.varint(tag);
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.reserve(length);
    this.pos += this.buffer.write(value, this.pos, length, "utf8");
  }

  /** An element of a packed list of uint32. */
  packedUint32(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw outOfRange("uint32", value);
    this.varint(value);
  }

  /** An element of a packed list of enum values; a negative number takes ten bytes. */
  packedInt32(value: number): void {
    if (value < 0) this.varint64(BigInt.asUintN(64, BigInt(value)));
    else this.varint(value);
  }

  /** Starts a field whose length is not known yet; what comes until `close` is its content. */
  open(tag: number): number {
    this.varint(tag);
    this.reserve(1);
    this.pos += 1;
    return this.pos;
  }

  /** Ends the field that `open` started, and puts its length before it. */
  close(start: number): void {
    const length = this.pos - start;
    const lengthBytes = varintSize(length);
    if (lengthBytes > 1) {
      this.reserve(lengthBytes - 1);
      this.buffer.copyWithin(start - 1 + lengthBytes, start, this.pos);
    }
    this.pos = start - 1;
    this.varint(length);
    this.pos += length;
  }

  private varint(value: number): void {
    this.reserve(5);
    let rest = value;
    while (rest > 0x7f) {
      this.buffer[this.pos++] = (rest & 0x7f) | 0x80;
      rest = rest >>> 7;
    }
    this.buffer[this.pos++] = rest;
  }

  private varint64(value: bigint): void {
    if (value <= 0xffffffffn) {
      this.varint(Number(value));
      return;
    }
    this.reserve(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.buffer[this.pos++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.buffer[this.pos++] = Number(rest);
  }

  private reserve(bytes: number): void {
    if (this.pos + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.pos + bytes));
    this.buffer.copy(larger, 0, 0, this.pos);
    this.buffer = larger;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size += 1;
  return size;
}

function outOfRange(type: string, value: number | bigint): BridgeError {
  return new BridgeError("INTERNAL", `${value} does not fit into a field of type ${type}`, { type, value: `${value}` });
}
