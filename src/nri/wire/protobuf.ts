import protobuf from "protobufjs/minimal.js";
import { BridgeError, errorText } from "../../base/errors.js";
import type { shapes } from "../../gen/nri.js";

export type MessageName = keyof typeof shapes;

/** Decodes and encodes one message type of the schema. */
export interface MessageCodec<Read, Written = Read> {
  /** The name of the message type in the schema. */
  readonly message: MessageName;
  /**
   * @param sparing leaves the fields empty that v0.1 requests do not use, such as args, env and mounts
   * @throws BridgeError PROTOCOL when the bytes are not an encoding of the message
   */
  decode(bytes: Uint8Array, sparing?: boolean): Read;
  encode(message: Written): Uint8Array;
}

/** Makes the codec of a message from its generated reader and writer. */
export function codec<Read, Written>({
  message,
  read,
  write,
}: {
  readonly message: MessageName;
  read(reader: ProtobufReader, end: number): Read;
  write(writer: ProtobufWriter, message: Written): void;
}): MessageCodec<Read, Written> {
  return {
    message,
    decode(bytes, sparing) {
      try {
        return read(new ProtobufReader(bytes, sparing), bytes.length);
      } catch (cause) {
        const text = `cannot decode the message: ${errorText(cause)}`;
        throw new BridgeError("PROTOCOL", text, {}, { cause });
      }
    },
    encode(value) {
      const writer = new ProtobufWriter();
      write(writer, value);
      return writer.finish();
    },
  };
}

/** protobufjs' reader with the methods that the generated readers in src/gen call: it returns 64-bit integers as bigint. */
export class ProtobufReader extends protobuf.Reader {
  constructor(
    bytes: Uint8Array,
    readonly sparing = false,
  ) {
    super(bytes);
  }

  /** Reads the length prefix of a field, and returns the offset at which the field ends. */
  enter(): number {
    const end = this.size() + this.pos;
    if (end > this.len) throw new Error("a length runs past the end");
    return end;
  }

  /** Checks that a message ended at the offset that `enter` returned for it. */
  leave(end: number): void {
    if (this.pos !== end) throw new Error("a field runs past the end of its message");
  }

  /** Throws before a value is added to a list that already has `most` values. */
  limit(length: number, most: number): void {
    if (length === most) throw new Error(`a list has more than ${most} values`);
  }

  bigUint64(): bigint {
    return this.small() ?? BigInt(String(this.uint64()));
  }

  bigInt64(): bigint {
    return this.small() ?? BigInt(String(this.int64()));
  }

  /**
   * Reads a varint of at most four bytes without protobufjs' object for 64-bit numbers: most numbers are that short. Undefined, and
   * nothing is read, when the varint is longer.
   */
  private small(): bigint | undefined {
    const { buf, pos } = this;
    for (let at = pos; at < pos + 4; at++) {
      if ((buf[at] ?? 0x80) < 0x80) return BigInt(this.uint32());
    }
    return undefined;
  }
}

/**
 * protobufjs' writer with the methods that the generated writers in src/gen call: it takes 64-bit integers as bigint. Instead of
 * cutting a number that is out of the range of its field's type, it throws BridgeError INTERNAL.
 */
export class ProtobufWriter {
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
    // A lone surrogate has no UTF-8 form, and Go refuses a message whose strings are not valid UTF-8.
    this.writer.uint32(tag).string(value.toWellFormed());
  }

  bytes(tag: number, value: Uint8Array): void {
    this.writer.uint32(tag).bytes(value);
  }

  /** Writes an element of a packed list of uint32. */
  packedUint32(value: number): void {
    this.writer.uint32(checkUint32(value));
  }

  /** Writes an element of a packed list of enum values; a negative number takes ten bytes. */
  packedInt32(value: number): void {
    this.writer.int32(value);
  }

  /** Starts a field whose length is not known yet. Everything written until the matching `close` is the field's content. */
  open(tag: number): void {
    this.writer.uint32(tag).fork();
  }

  /** Ends the field that `open` started last, and writes the field's length before its content. */
  close(): void {
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
