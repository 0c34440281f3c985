import protobuf from "protobufjs/minimal.js";
import { BridgeError } from "../errors.js";
import type { FieldWriter } from "../gen/nri.js";

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
