import protobuf from "protobufjs/minimal.js";
import { BridgeError, errorText } from "../../base/errors.js";
import type { Status } from "./status.js";

/** The body of a request message: which method is called, with what, and how long the caller waits. */
export interface TtrpcRequest {
  readonly service: string;
  readonly method: string;
  /** The method's own request, encoded; decoded it is a view of the body. */
  readonly payload: Uint8Array;
  /** Nanoseconds that the caller still waits at the time of sending; 0 when it waits for ever. */
  readonly timeoutNano: bigint;
  /** OpenTelemetry's trace context, from runtimes that trace; a key may come more than once. */
  readonly metadata: Metadata;
}

export type Metadata = readonly (readonly [key: string, value: string])[];

/** The body of a response message. */
export interface TtrpcResponse {
  /** Absent for success. */
  readonly status?: Status;
  /** The method's own response, encoded; decoded it is a view of the body. */
  readonly payload: Uint8Array;
}

const EMPTY = new Uint8Array(0);

/** Far beyond a trace context; a body of 16 MiB could otherwise claim eight million pairs. */
const MAX_METADATA = 1024;

const VARINT = 0;
const BYTES = 2;
const tag = (field: number, wireType: number) => (field << 3) | wireType;

export function encodeRequest(request: TtrpcRequest): Uint8Array {
  const writer = protobuf.Writer.create();
  writeString(writer, 1, request.service);
  writeString(writer, 2, request.method);
  writeBytes(writer, 3, request.payload);
  if (request.timeoutNano !== 0n) writer.uint32(tag(4, VARINT)).int64(request.timeoutNano.toString());
  for (const [key, value] of request.metadata) {
    const pair = protobuf.Writer.create();
    writeString(pair, 1, key);
    writeString(pair, 2, value);
    writer.uint32(tag(5, BYTES)).bytes(pair.finish());
  }
  return writer.finish();
}

/** @throws BridgeError PROTOCOL when the body is no request. */
export function decodeRequest(body: Uint8Array): TtrpcRequest {
  let service = "";
  let method = "";
  let payload: Uint8Array = EMPTY;
  let timeoutNano = 0n;
  const metadata: [string, string][] = [];
  decodeFields(body, "request", (reader, fieldTag) => {
    switch (fieldTag) {
      case tag(1, BYTES):
        service = reader.stringVerify();
        return true;
      case tag(2, BYTES):
        method = reader.stringVerify();
        return true;
      case tag(3, BYTES):
        payload = reader.bytes();
        return true;
      case tag(4, VARINT):
        timeoutNano = BigInt(reader.int64().toString());
        return true;
      case tag(5, BYTES):
        if (metadata.length === MAX_METADATA) throw new Error(`more than ${MAX_METADATA} metadata entries`);
        metadata.push(decodeKeyValue(reader.bytes()));
        return true;
      default:
        return false;
    }
  });
  return { service, method, payload, timeoutNano, metadata };
}

export function encodeResponse(response: TtrpcResponse): Uint8Array {
  const writer = protobuf.Writer.create();
  if (response.status !== undefined) {
    const status = protobuf.Writer.create();
    if (response.status.code !== 0) status.uint32(tag(1, VARINT)).int32(response.status.code);
    writeString(status, 2, response.status.message);
    writer.uint32(tag(1, BYTES)).bytes(status.finish());
  }
  writeBytes(writer, 2, response.payload);
  return writer.finish();
}

/** @throws BridgeError PROTOCOL when the body is no response. */
export function decodeResponse(body: Uint8Array): TtrpcResponse {
  let status: Status | undefined;
  let payload: Uint8Array = EMPTY;
  decodeFields(body, "response", (reader, fieldTag) => {
    switch (fieldTag) {
      case tag(1, BYTES):
        status = decodeStatus(reader.bytes(), status);
        return true;
      case tag(2, BYTES):
        payload = reader.bytes();
        return true;
      default:
        return false;
    }
  });
  return status === undefined ? { payload } : { status, payload };
}

/** A message field that comes twice is merged, as protobuf has it. */
function decodeStatus(body: Uint8Array, earlier: Status | undefined): Status {
  let code = earlier?.code ?? 0;
  let message = earlier?.message ?? "";
  decodeFields(body, "status", (reader, fieldTag) => {
    switch (fieldTag) {
      case tag(1, VARINT):
        code = reader.int32();
        return true;
      case tag(2, BYTES):
        message = reader.stringVerify();
        return true;
      default:
        return false;
    }
  });
  return { code, message };
}

function decodeKeyValue(body: Uint8Array): [key: string, value: string] {
  let key = "";
  let value = "";
  decodeFields(body, "metadata", (reader, fieldTag) => {
    switch (fieldTag) {
      case tag(1, BYTES):
        key = reader.stringVerify();
        return true;
      case tag(2, BYTES):
        value = reader.stringVerify();
        return true;
      default:
        return false;
    }
  });
  return [key, value];
}

/** Walks a message's fields; one that the visitor does not take, or takes with another wire type, is unknown: skipped. */
function decodeFields(body: Uint8Array, what: string, visit: (reader: protobuf.Reader, fieldTag: number) => boolean) {
  try {
    const reader = protobuf.Reader.create(body);
    while (reader.pos < reader.len) {
      const fieldTag = reader.tag();
      if (!visit(reader, fieldTag)) reader.skipType(fieldTag & 7, undefined, fieldTag >>> 3);
    }
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError("PROTOCOL", `the ${what} cannot be decoded: ${errorText(error)}`, {}, { cause: error });
  }
}

function writeBytes(writer: protobuf.Writer, field: number, bytes: Uint8Array): void {
  if (bytes.length > 0) writer.uint32(tag(field, BYTES)).bytes(bytes);
}

/**
 * Go refuses a message whose strings are no UTF-8, so a lone surrogate becomes U+FFFD: TextEncoder has no other way,
 * protobufjs would write its three bytes.
 */
function writeString(writer: protobuf.Writer, field: number, text: string): void {
  writeBytes(writer, field, new TextEncoder().encode(text));
}
