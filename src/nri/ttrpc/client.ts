import { alarm, type Deadline } from "../../base/deadline.js";
import { BridgeError } from "../../base/errors.js";
import { type Frame, FrameDecoder } from "../wire/frame-decoder.js";
import type { Channel } from "../wire/trunk.js";
import {
  encodeTtrpcFrame,
  MAX_SENT_BODY,
  MessageType,
  oversizedText,
  type TtrpcHeader,
  ttrpcLayout,
} from "../wire/ttrpc-frame.js";
import { decodeResponse, encodeRequest, type Metadata } from "./envelope.js";
import { Code, StatusError } from "./status.js";

export interface CallOptions {
  /** Travels with the request as the time that remains; a call past it is given up. */
  readonly deadline: Deadline;
  readonly metadata?: Metadata;
}

/** A call that waits for its response. */
interface Pending {
  resolve(response: Frame<TtrpcHeader>): void;
  reject(error: unknown): void;
}

/** The calling side of a ttRPC connection: the plugin's on conn 2, the runtime's on conn 1. */
export class TtrpcClient {
  private readonly decoder = new FrameDecoder(ttrpcLayout);
  private readonly pending = new Map<number, Pending>();
  private nextStreamId = 1;
  private closed: Error | undefined;

  constructor(private readonly channel: Channel) {
    channel.onClose((cause) => {
      this.closed = new BridgeError("CONNECTION_CLOSED", cause?.message ?? "the connection is closed", {}, { cause });
      for (const call of this.pending.values()) call.reject(this.closed);
    });
    channel.onData((chunk) => {
      // A response that no one waits for any more is late, or was never asked for.
      for (const frame of this.decoder.push(chunk)) this.pending.get(frame.header.streamId)?.resolve(frame);
    });
  }

  /**
   * Calls a method with its encoded request and gives its encoded response.
   * @throws StatusError when the peer answers with an error status, and ResourceExhausted when the request is longer
   *   than 4 MiB (nothing is sent then); BridgeError CALL_TIMEOUT past the deadline, CONNECTION_CLOSED when the
   *   connection ends first, PROTOCOL when the answer is none.
   */
  async call(
    service: string,
    method: string,
    payload: Uint8Array,
    { deadline, metadata = [] }: CallOptions,
  ): Promise<Uint8Array> {
    if (this.closed !== undefined) throw this.closed;
    const late = () =>
      new BridgeError("CALL_TIMEOUT", `${service}/${method} was not answered in time`, { service, method });
    if (deadline.expired) throw late();
    const body = encodeRequest({ service, method, payload, timeoutNano: toTimeoutNano(deadline), metadata });
    if (body.length > MAX_SENT_BODY) {
      throw new StatusError(Code.ResourceExhausted, oversizedText(body.length, MAX_SENT_BODY));
    }
    const streamId = this.nextStreamId;
    this.nextStreamId += 2;
    let cancelAlarm = () => {};
    const response = new Promise<Frame<TtrpcHeader>>((resolve, reject) => {
      this.pending.set(streamId, { resolve, reject });
      cancelAlarm = alarm(deadline, () => reject(late()));
    });
    this.channel.send(encodeTtrpcFrame(streamId, MessageType.request, body));
    try {
      return payloadOf(await response);
    } finally {
      cancelAlarm();
      this.pending.delete(streamId);
    }
  }
}

/** The time left as a request's timeout_nano; 0, which stands for none, when there is no end. */
function toTimeoutNano(deadline: Deadline): bigint {
  const nanos = deadline.remainingMs() * 1e6;
  return nanos === Number.POSITIVE_INFINITY ? 0n : BigInt(Math.max(1, Math.round(nanos)));
}

/** The payload of a response that is a success; throws what the call is to fail with otherwise. */
function payloadOf(frame: Frame<TtrpcHeader>): Uint8Array {
  const { length, type } = frame.header;
  if (frame.kind === "oversized") {
    throw new StatusError(Code.ResourceExhausted, oversizedText(length, ttrpcLayout.maxPayloadLength));
  }
  if (type !== MessageType.response) {
    throw new BridgeError("PROTOCOL", `a message of type ${type} arrived instead of a response`);
  }
  const { status, payload } = decodeResponse(frame.payload);
  if (status !== undefined && status.code !== Code.OK) throw new StatusError(status.code, status.message);
  return payload;
}
