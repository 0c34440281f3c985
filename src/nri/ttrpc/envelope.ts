import * as gen from "../../gen/nri.js";
import { codec } from "../wire/protobuf.js";
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

const request = codec(gen.Request);

export function encodeRequest({ metadata, ...fields }: TtrpcRequest): Uint8Array {
  return request.encode({ ...fields, metadata: metadata.map(([key, value]) => ({ key, value })) });
}

/** @throws BridgeError PROTOCOL when the body is no request. */
export function decodeRequest(body: Uint8Array): TtrpcRequest {
  const { service, method, payload, timeoutNano, metadata } = request.decode(body);
  return { service, method, payload, timeoutNano, metadata: metadata.map(({ key, value }) => [key, value]) };
}

/** decodeResponse throws BridgeError PROTOCOL when the body is no response. */
export const { encode: encodeResponse, decode: decodeResponse } = codec<TtrpcResponse, TtrpcResponse>(gen.Response);
