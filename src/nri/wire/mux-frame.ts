import type { FrameHeader, FrameLayout } from "./frame-decoder.js";

/*
 * A mux frame; integers are big-endian, the length counts the payload only:
 *
 *   0          4          8
 *   +----------+----------+----------~~
 *   | connId   | length   | payload
 *   +----------+----------+----------~~
 */

/** The connections that NRI runs over one trunk; nothing is exchanged to open them. */
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
 * How the mux frames its bytes. The limit is what a runtime before NRI 0.7 may send (16 MiB) plus a ttRPC header; Go's
 * own reader has none and takes whatever memory the header asks for.
 */
export const muxLayout: FrameLayout<MuxHeader> = {
  headerLength: HEADER_LENGTH,
  maxPayloadLength: 16 * 1024 * 1024 + 10,
  decodeHeader: (bytes) => ({ connId: bytes.getUint32(0), length: bytes.getUint32(4) }),
};

/** The most that Go's ttRPC reader takes at once while it waits for a message: its bufio buffer. */
const GO_READ_BUFFER = 4096;

/**
 * One ttRPC message as mux frames: headers and payloads in turn, the payloads being views of the message.
 *
 * compat: the mux connection's Read (nri pkg/net/multiplex) returns exactly one frame and fails with ENOMEM when the
 * reader's buffer is smaller; ttRPC reads a message's start through a buffer of 4096 bytes and its rest straight into the
 * message. So the first frame carries up to 4096 bytes and the next one all the rest; many small frames would overflow
 * the runtime's queue of 256, and a frame is never empty. The rest is never longer than NRI >= 0.7 takes, 4 MiB + 10: no
 * message is (MAX_SENT_BODY).
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
