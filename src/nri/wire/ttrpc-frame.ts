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
  /** A message of a streaming call. NRI has no streaming calls. */
  data: 3,
} as const satisfies Record<string, number>;

export interface TtrpcHeader extends FrameHeader {
  /** The id of the call. The client counts up by 2 from 1, so that its ids are odd. */
  readonly streamId: number;
  /** A MessageType, or a number that a later version of ttRPC defines. */
  readonly type: number;
}

const HEADER_LENGTH = 10;

/** The longest body that ttRPC allows to send, in bytes. */
export const MAX_SENT_BODY = 4 * 1024 * 1024;

/**
 * The frame format of ttRPC. The bridge accepts longer bodies than it may send, because a runtime before NRI 0.7 can send a
 * Synchronize of more than 4 MiB, on which NRI's Go stub dies (containerd/nri#102).
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
 * Encodes one ttRPC message of a unary call: header and body.
 * @throws BridgeError FRAME_TOO_LARGE when the body is longer than 4 MiB
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

/** The text of ttRPC's error for a message that is longer than the limit; both numbers are bytes. */
export function oversizedText(length: number, limit: number): string {
  return `message length ${length} exceeds the maximum of ${limit}`;
}
