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
  /** When the client gives the call up. The request states the remaining time. */
  readonly deadline: Deadline;
  readonly metadata?: Metadata;
}

/** A call that waits for its response. */
interface Pending {
  resolve(response: Frame<TtrpcHeader>): void;
  reject(error: unknown): void;
}

/** The calling side of a ttRPC connection: the plugin calls on mux connection 2, the runtime on mux connection 1. */
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
      // A response without a pending call came too late, or belongs to no call; it is dropped.
      for (const frame of this.decoder.push(chunk)) this.pending.get(frame.header.streamId)?.resolve(frame);
    });
  }

  /**
   * Calls a method with its encoded request, and returns its encoded response.
   * @throws StatusError when the peer answers with an error status; StatusError ResourceExhausted when the request is
   *   longer than 4 MiB (nothing is sent then), or the response is longer than 16 MiB; BridgeError CALL_TIMEOUT when no
   *   response came by the deadline, CONNECTION_CLOSED when the connection ends first, PROTOCOL when the peer's message
   *   on the call's stream is not a response
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

/** The remaining time as a request's timeout_nano. For a deadline of Infinity this is 0, with which ttRPC has no timeout. */
function toTimeoutNano(deadline: Deadline): bigint {
  const nanos = deadline.remainingMs() * 1e6;
  return nanos === Number.POSITIVE_INFINITY ? 0n : BigInt(Math.max(1, Math.round(nanos)));
}

/** The payload of a successful response. @throws the error that `call` documents when the response is not a success */
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
