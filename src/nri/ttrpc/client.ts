import type { Deadline } from "../../base/deadline.js";
import { alarm } from "../../base/deadline.js";
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
import { Code, StatusError, toCode } from "./status.js";
import { toTimeoutNano } from "./timeout.js";

export interface CallOptions {
  /** Travels with the request as the time that remains; a call past it is given up. */
  readonly deadline: Deadline;
  readonly metadata?: Metadata;
}

/** A call that waits for its response. */
interface Pending {
  resolve(payload: Uint8Array): void;
  reject(error: unknown): void;
}

const MAX_STREAM_ID = 0xffff_ffff;

/** The calling side of a ttRPC connection: the plugin's on conn 2, the runtime's on conn 1. */
export class TtrpcClient {
  private readonly decoder = new FrameDecoder(ttrpcLayout);
  private readonly pending = new Map<number, Pending>();
  private nextStreamId = 1;
  private closed: Error | undefined;

  constructor(private readonly channel: Channel) {
    channel.onClose((error) => this.end(error));
    channel.onData((chunk) => this.receive(chunk));
  }

  /**
   * Calls a method with its encoded request and gives its encoded response.
   * @throws StatusError when the peer answers with an error status, and ResourceExhausted when the request is longer
   *   than 4 MiB (nothing is sent then); BridgeError CALL_TIMEOUT past the deadline, CONNECTION_CLOSED when the
   *   connection ends first, PROTOCOL when the answer is none.
   */
  call(service: string, method: string, payload: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.closed !== undefined) throw this.closed;
      if (options.deadline.expired) throw timedOut(service, method);
      const body = encodeRequest({
        service,
        method,
        payload,
        timeoutNano: toTimeoutNano(options.deadline),
        metadata: options.metadata ?? [],
      });
      if (body.length > MAX_SENT_BODY) {
        throw new StatusError(Code.ResourceExhausted, oversizedText(body.length, MAX_SENT_BODY));
      }
      const streamId = this.takeStreamId();
      const cancelAlarm = alarm(options.deadline, () => this.settle(streamId)?.reject(timedOut(service, method)));
      this.pending.set(streamId, {
        resolve: (response) => {
          cancelAlarm();
          resolve(response);
        },
        reject: (error) => {
          cancelAlarm();
          reject(error);
        },
      });
      this.channel.send(encodeTtrpcFrame(streamId, MessageType.request, body));
    });
  }

  /** Ends the connection, and every call that still waits with CONNECTION_CLOSED. */
  close(): void {
    this.end();
    this.channel.close();
  }

  private takeStreamId(): number {
    const streamId = this.nextStreamId;
    if (streamId > MAX_STREAM_ID) throw new BridgeError("PROTOCOL", "the connection has used up its stream ids");
    this.nextStreamId += 2;
    return streamId;
  }

  private receive(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      // No one waits any more: the response is late, or was never asked for.
      const call = this.settle(frame.header.streamId);
      if (call !== undefined) answer(call, frame);
    }
  }

  private settle(streamId: number): Pending | undefined {
    const call = this.pending.get(streamId);
    this.pending.delete(streamId);
    return call;
  }

  private end(cause?: Error): void {
    this.closed ??= new BridgeError("CONNECTION_CLOSED", cause?.message ?? "the connection is closed", {}, { cause });
    for (const streamId of [...this.pending.keys()]) this.settle(streamId)?.reject(this.closed);
  }
}

/** Gives a call what came for it. */
function answer(call: Pending, frame: Frame<TtrpcHeader>): void {
  try {
    call.resolve(payloadOf(frame));
  } catch (error) {
    call.reject(error);
  }
}

/** The payload of a response that is a success; throws what the call is to fail with otherwise. */
function payloadOf(frame: Frame<TtrpcHeader>): Uint8Array {
  const { length, type } = frame.header;
  if (frame.kind === "oversized") {
    throw new StatusError(Code.ResourceExhausted, oversizedText(length, ttrpcLayout.maxPayloadLength));
  }
  if (type !== MessageType.response) {
    throw new BridgeError("PROTOCOL", `a message of type ${type} came in place of a response`);
  }
  const { status, payload } = decodeResponse(frame.payload);
  if (status !== undefined && status.code !== Code.OK) throw new StatusError(toCode(status.code), status.message);
  return payload;
}

function timedOut(service: string, method: string): BridgeError {
  return new BridgeError("CALL_TIMEOUT", `${service}/${method} was not answered in time`, { service, method });
}
