import { Cancellation } from "../../base/cancellation.js";
import { Deadline } from "../../base/deadline.js";
import { BridgeError } from "../../base/errors.js";
import { type Frame, FrameDecoder } from "../wire/frame-decoder.js";
import type { Channel } from "../wire/trunk.js";
import { encodeTtrpcFrame, MessageType, oversizedText, type TtrpcHeader, ttrpcLayout } from "../wire/ttrpc-frame.js";
import { decodeRequest, encodeResponse, type TtrpcRequest, type TtrpcResponse } from "./envelope.js";
import { Code, StatusError, toStatus } from "./status.js";

/** A request as the method's handler receives it. */
export interface Call extends TtrpcRequest {
  /** When the caller gives up; a deadline of Infinity when the request states no timeout. */
  readonly deadline: Deadline;
  /** Cancelled when the connection closes, or the answer was sent without the handler: then no caller waits any more. */
  readonly cancellation: Cancellation;
}

/**
 * Answers a call with the encoded response. When the handler throws, the caller gets the status of a StatusError, the status that
 * toStatus gives to some BridgeErrors, and Unknown for any other error.
 */
export type MethodHandler = (call: Call) => Uint8Array | Promise<Uint8Array>;

/** The handlers, by the names of service and method that a request has. */
export type Services = Readonly<Record<string, Readonly<Record<string, MethodHandler>>>>;

export interface TtrpcServerOptions {
  /** Called when a handler throws an unexpected error; the caller gets an error status, too. */
  onInternalError?(call: Call, error: unknown): void;
  /** Called when the server refused a message before a handler got it: too long, unreadable, of an unknown method. */
  onRefused?(error: unknown): void;
}

/** The most calls that the server handles at the same time; it refuses further calls with ResourceExhausted. */
const MAX_IN_FLIGHT = 1024;

/** The answering side of a ttRPC connection: the plugin answers on mux connection 1, the runtime on mux connection 2. */
export class TtrpcServer {
  private readonly decoder = new FrameDecoder(ttrpcLayout);
  private readonly inFlight = new Set<Cancellation>();
  private lastStreamId = 0;
  private closed = false;

  constructor(
    private readonly channel: Channel,
    private readonly services: Services,
    private readonly options: TtrpcServerOptions = {},
  ) {
    channel.onClose((cause) => {
      this.closed = true;
      const text = cause?.message ?? "the connection is closed";
      const reason = new BridgeError("CONNECTION_CLOSED", text, {}, { cause });
      for (const cancellation of this.inFlight) cancellation.cancel(reason);
    });
    channel.onData((chunk) => this.receive(chunk));
  }

  private receive(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      if (this.closed) return;
      try {
        this.accept(frame);
      } catch (error) {
        this.refuse(frame.header.streamId, error);
        this.options.onRefused?.(error);
      }
    }
  }

  /**
   * Accepts one message, and starts the handler of a request. `receive` sends an error thrown here as the answer on the message's
   * stream, and the connection stays up. compat: Go's ttRPC server has the same checks in the same order.
   * @throws StatusError or BridgeError PROTOCOL when the message is not a request that a handler can take
   */
  private accept(frame: Frame<TtrpcHeader>): void {
    const { streamId, type, length } = frame.header;
    if (frame.kind === "oversized") {
      throw new StatusError(Code.ResourceExhausted, oversizedText(length, ttrpcLayout.maxPayloadLength));
    }
    if (streamId % 2 !== 1) {
      throw new StatusError(Code.InvalidArgument, `stream id ${streamId} is even; a client's are odd`);
    }
    if (type === MessageType.data) {
      throw new StatusError(Code.InvalidArgument, `stream ${streamId} is not active: no call streams here`);
    }
    // The server ignores any other type, which is one of a later version of ttRPC.
    if (type !== MessageType.request) return;
    if (streamId <= this.lastStreamId) {
      throw new StatusError(Code.InvalidArgument, `stream id ${streamId} cannot be re-used, ids must increase`);
    }
    this.lastStreamId = streamId;
    const request = decodeRequest(frame.payload);
    const handler = findHandler(this.services, request);
    if (this.inFlight.size >= MAX_IN_FLIGHT) {
      throw new StatusError(Code.ResourceExhausted, `${this.inFlight.size} calls are being answered already`);
    }
    void this.answer(streamId, handler, {
      ...request,
      deadline: toDeadline(request.timeoutNano),
      cancellation: new Cancellation(),
    });
  }

  private async answer(streamId: number, handler: MethodHandler, call: Call): Promise<void> {
    this.inFlight.add(call.cancellation);
    try {
      this.respond(streamId, { payload: await handler(call) });
    } catch (error) {
      this.refuse(streamId, error);
      if (!foreseen(error)) this.options.onInternalError?.(call, error);
    } finally {
      this.inFlight.delete(call.cancellation);
    }
  }

  private refuse(streamId: number, error: unknown): void {
    this.respond(streamId, { status: toStatus(error), payload: new Uint8Array(0) });
  }

  private respond(streamId: number, response: TtrpcResponse): void {
    if (this.closed) return;
    this.channel.send(encodeTtrpcFrame(streamId, MessageType.response, encodeResponse(response)));
  }
}

/** The deadline of a request that came now, from its timeout_nano. With a timeout below 0 it has already passed. */
function toDeadline(timeoutNano: bigint): Deadline {
  return Deadline.after(timeoutNano === 0n ? Number.POSITIVE_INFINITY : Number(timeoutNano) / 1e6);
}

/** Whether a handler threw this error on purpose, as its answer; any other error is a fault of the bridge's code. */
function foreseen(error: unknown): boolean {
  return error instanceof StatusError || (error instanceof BridgeError && error.code !== "INTERNAL");
}

/**
 * Looks only at own keys, so that a service or method called "__proto__" is unknown.
 * @throws StatusError Unimplemented when the service or the method is unknown
 */
function findHandler(services: Services, { service, method }: TtrpcRequest): MethodHandler {
  const methods = Object.hasOwn(services, service) ? services[service] : undefined;
  if (methods === undefined) throw new StatusError(Code.Unimplemented, `service ${service}`);
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler === undefined) throw new StatusError(Code.Unimplemented, `method ${method}`);
  return handler;
}
