import * as gen from "../../gen/nri.js";
import { codec } from "../wire/protobuf.js";
import type { Status } from "./status.js";

/** The body of a request message. */
export interface TtrpcRequest {
  readonly service: string;
  readonly method: string;
  /** The encoded request of the method. decodeRequest returns a view of the body. */
  readonly payload: Uint8Array;
  /** How long the caller waits after it has sent the request, in nanoseconds; 0 when the caller waits for ever. */
  readonly timeoutNano: bigint;
  /** OpenTelemetry's trace context, sent by runtimes that trace; a key may occur more than once. */
  readonly metadata: Metadata;
}

export type Metadata = readonly (readonly [key: string, value: string])[];

/** The body of a response message. */
export interface TtrpcResponse {
  /** The status of a failed call; absent when the call succeeded. */
  readonly status?: Status;
  /** The encoded response of the method. decodeResponse returns a view of the body. */
  readonly payload: Uint8Array;
}

const request = codec(gen.Request);

export function encodeRequest({ metadata, ...fields }: TtrpcRequest): Uint8Array {
  return request.encode({ ...fields, metadata: metadata.map(([key, value]) => ({ key, value })) });
}

/** @throws BridgeError PROTOCOL when the body is not an encoded request */
export function decodeRequest(body: Uint8Array): TtrpcRequest {
  const { service, method, payload, timeoutNano, metadata } = request.decode(body);
  return { service, method, payload, timeoutNano, metadata: metadata.map(({ key, value }) => [key, value]) };
}

/** decodeResponse throws BridgeError PROTOCOL when the body is not an encoded response. */
export const { encode: encodeResponse, decode: decodeResponse } = codec<TtrpcResponse, TtrpcResponse>(gen.Response);
