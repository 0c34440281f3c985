import protobuf from "protobufjs/minimal.js";
import { BridgeError, errorText } from "../errors.js";
import type { FieldReader } from "../gen/nri.js";

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
