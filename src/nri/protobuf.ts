import protobuf from "protobufjs/minimal.js";
import { BridgeError, errorText } from "../base/errors.js";
import type { FieldReader, FieldWriter } from "../gen/nri.js";

/**
 * protobufjs' reader as the generated readers in src/gen drive it: 64-bit integers as bigint. It throws errors of
 * protobufjs' own when the bytes end inside a field or break the encoding: toProtocolError tells them as PROTOCOL.
 */
export class ProtobufReader implements FieldReader {
  private readonly reader: protobuf.Reader;

  constructor(
    bytes: Uint8Array,
    readonly sparing = false,
  ) {
    this.reader = protobuf.Reader.create(bytes);
  }

  get pos(): number {
    return this.reader.pos;
  }

  get end(): number {
    return this.reader.len;
  }

  /** Reads a length and gives the offset at which what it announces ends. */
  enter(): number {
    const end = this.reader.uint32() + this.reader.pos;
    if (end > this.reader.len) throw broken("a length runs past the end");
    return end;
  }

  /** Ends a message that was to end at an offset. */
  leave(end: number): void {
    if (this.reader.pos !== end) throw broken("a field runs past the end of its message");
  }

  tag(): number {
    const tag = this.reader.uint32();
    if (tag < 8) throw broken("a field has the number 0");
    return tag;
  }

  uint32(): number {
    return this.reader.uint32();
  }

  int32(): number {
    return this.reader.int32();
  }

  bool(): boolean {
    return this.reader.bool();
  }

  uint64(): bigint {
    return this.small() ?? BigInt(String(this.reader.uint64()));
  }

  int64(): bigint {
    return this.small() ?? BigInt(String(this.reader.int64()));
  }

  /** A number of at most four bytes, which most are, without protobufjs' object for 64 bits; undefined for any other. */
  private small(): bigint | undefined {
    const { buf, pos } = this.reader;
    for (let at = pos; at < pos + 4; at++) {
      if ((buf[at] ?? 0x80) < 0x80) return BigInt(this.reader.uint32());
    }
    return undefined;
  }

  string(): string {
    return this.reader.string();
  }

  /** Passes over a field that is not in the schema, or that has another wire type than there. */
  skip(tag: number): void {
    const wireType = tag & 7;
    // Groups were gone before NRI was there; protobufjs would pass over one.
    if (wireType === 3 || wireType === 4) throw broken(`wire type ${wireType} is not in use`);
    this.reader.skipType(wireType);
  }
}

/** What a reader throws, as this room's error. */
export function toProtocolError(thrown: unknown): BridgeError {
  return thrown instanceof BridgeError ? thrown : broken(errorText(thrown));
}

function broken(what: string): BridgeError {
  return new BridgeError("PROTOCOL", `the peer sent a message that cannot be read: ${what}`);
}

/**
 * protobufjs' writer as the generated writers in src/gen drive it: 64-bit integers from bigint. A number that its field
 * cannot hold is an error (INTERNAL), never another number.
 */
export class ProtobufWriter implements FieldWriter {
  private readonly writer = protobuf.Writer.create();

  finish(): Uint8Array {
    return this.writer.finish();
  }

  uint32(tag: number, value: number): void {
    this.writer.uint32(tag).uint32(checkUint32(value));
  }

  int32(tag: number, value: number): void {
    if (value !== (value | 0)) throw outOfRange("int32", value);
    this.writer.uint32(tag).int32(value);
  }

  bool(tag: number, value: boolean): void {
    this.writer.uint32(tag).bool(value);
  }

  uint64(tag: number, value: bigint): void {
    if (value !== BigInt.asUintN(64, value)) throw outOfRange("uint64", value);
    this.writer.uint32(tag).uint64(value.toString());
  }

  int64(tag: number, value: bigint): void {
    if (value !== BigInt.asIntN(64, value)) throw outOfRange("int64", value);
    this.writer.uint32(tag).int64(value.toString());
  }

  string(tag: number, value: string): void {
    // A lone surrogate has no UTF-8 form, and Go refuses a message with one.
    this.writer.uint32(tag).string(value.toWellFormed());
  }

  /** An element of a packed list of uint32. */
  packedUint32(value: number): void {
    this.writer.uint32(checkUint32(value));
  }

  /** An element of a packed list of enum values; a negative number takes ten bytes. */
  packedInt32(value: number): void {
    this.writer.int32(value);
  }

  /** Starts a field whose length is not known yet; what comes until `close` is its content. */
  open(tag: number): number {
    this.writer.uint32(tag).fork();
    return 0;
  }

  /** Ends the field that `open` started last, and puts its length before it. */
  close(_start: number): void {
    this.writer.ldelim();
  }
}

function checkUint32(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw outOfRange("uint32", value);
  return value;
}

function outOfRange(type: string, value: number | bigint): BridgeError {
  return new BridgeError("INTERNAL", `${value} does not fit into a field of type ${type}`, { type, value: `${value}` });
}
