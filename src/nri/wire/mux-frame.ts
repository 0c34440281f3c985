import type { FrameHeader, FrameLayout } from "./frame-decoder.js";

/*
 * A mux frame; integers are big-endian, the length counts the payload only:
 *
 *   0          4          8
 *   +----------+----------+----------~~
 *   | connId   | length   | payload
 *   +----------+----------+----------~~
 */

/** The ids of the two connections that NRI runs over one trunk. Both ends use them without opening them first. */
export const ConnId = {
  /** The Plugin service: the runtime calls, the plugin answers. */
  plugin: 1,
  /** The Runtime service: the plugin calls, the runtime answers. */
  runtime: 2,
} as const satisfies Record<string, number>;

export interface MuxHeader extends FrameHeader {
  readonly connId: number;
}

const HEADER_LENGTH = 8;

/**
 * The frame format of the mux. The limit is the longest message that a runtime before NRI 0.7 may send (16 MiB) plus a ttRPC
 * header. NRI's own reader in Go has no limit, and allocates as much memory as the header asks for.
 */
export const muxLayout: FrameLayout<MuxHeader> = {
  headerLength: HEADER_LENGTH,
  maxPayloadLength: 16 * 1024 * 1024 + 10,
  decodeHeader: (bytes) => ({ connId: bytes.getUint32(0), length: bytes.getUint32(4) }),
};

/** The size of the bufio buffer through which Go's ttRPC reads the start of a message, in bytes. */
const GO_READ_BUFFER = 4096;

/**
 * One ttRPC message as mux frames: an array of alternating headers and payloads. The payloads are views of the message.
 *
 * compat: the mux connection's Read (nri pkg/net/multiplex) returns exactly one frame, and fails with ENOMEM when the caller's
 * buffer is smaller than the frame. Go's ttRPC reads the start of a message through a buffer of 4096 bytes, and the rest straight
 * into the message. So the first frame carries up to 4096 bytes, and a second frame carries the rest; many small frames would
 * overflow the runtime's queue of 256 frames. A frame is never empty. NRI >= 0.7 accepts frames of up to 4 MiB + 10; no message is
 * longer than that (MAX_SENT_BODY).
 */
export function encodeMuxFrames(connId: number, message: Uint8Array): Uint8Array[] {
  const start = message.subarray(0, GO_READ_BUFFER);
  const frames = [encodeMuxHeader(connId, start.length), start];
  const rest = message.subarray(start.length);
  if (rest.length > 0) frames.push(encodeMuxHeader(connId, rest.length), rest);
  return frames;
}

function encodeMuxHeader(connId: number, length: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, connId);
  view.setUint32(4, length);
  return bytes;
}
