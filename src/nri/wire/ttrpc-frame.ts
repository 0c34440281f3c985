import { BridgeError } from "../../base/errors.js";
import type { FrameHeader, FrameLayout } from "./frame-decoder.js";

/*
 * A ttRPC message; integers are big-endian, the length counts the body only:
 *
 *   0          4          8      9       10
 *   +----------+----------+------+-------+----------~~
 *   | length   | streamId | type | flags | body
 *   +----------+----------+------+-------+----------~~
 */

export const MessageType = {
  request: 1,
  response: 2,
  /** Of a streaming call; NRI has none. */
  data: 3,
} as const satisfies Record<string, number>;

export interface TtrpcHeader extends FrameHeader {
  /** Odd, chosen by the client, rising by 2 from 1. */
  readonly streamId: number;
  /** A MessageType, or what a later ttRPC made up. */
  readonly type: number;
}

const HEADER_LENGTH = 10;

/** The longest body that ttRPC lets anyone send. */
export const MAX_SENT_BODY = 4 * 1024 * 1024;

/**
 * How ttRPC frames its messages. We take longer bodies than we may send: a runtime before NRI 0.7 sends a Synchronize
 * of more than 4 MiB, on which the Go stub dies (containerd/nri#102).
 */
export const ttrpcLayout: FrameLayout<TtrpcHeader> = {
  headerLength: HEADER_LENGTH,
  maxPayloadLength: 16 * 1024 * 1024,
  decodeHeader: (bytes) => ({
    length: bytes.getUint32(0),
    streamId: bytes.getUint32(4),
    type: bytes.getUint8(8),
  }),
};

/**
 * One ttRPC message of a unary call, header and body.
 * @throws BridgeError FRAME_TOO_LARGE for a body of more than 4 MiB.
 */
export function encodeTtrpcFrame(streamId: number, type: number, body: Uint8Array): Uint8Array {
  if (body.length > MAX_SENT_BODY) {
    throw new BridgeError("FRAME_TOO_LARGE", oversizedText(body.length, MAX_SENT_BODY), { streamId });
  }
  const message = new Uint8Array(HEADER_LENGTH + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, body.length);
  view.setUint32(4, streamId);
  view.setUint8(8, type);
  message.set(body, HEADER_LENGTH);
  return message;
}

/** ttRPC's error for a message beyond a limit, in bytes. */
export function oversizedText(length: number, limit: number): string {
  return `message length ${length} exceeds the maximum of ${limit}`;
}
