import { Cancellation } from "../../base/cancellation.js";
import { Deadline } from "../../base/deadline.js";
import { BridgeError } from "../../base/errors.js";
import { type Frame, FrameDecoder } from "../wire/frame-decoder.js";
import type { Channel } from "../wire/trunk.js";
import { encodeTtrpcFrame, MessageType, oversizedText, type TtrpcHeader, ttrpcLayout } from "../wire/ttrpc-frame.js";
import { decodeRequest, encodeResponse, type TtrpcRequest, type TtrpcResponse } from "./envelope.js";
import { Code, StatusError, toStatus } from "./status.js";

/** A request as a method's handler sees it. */
export interface Call extends TtrpcRequest {
  /** When the caller gives up; without end when it did not say. */
  readonly deadline: Deadline;
  /** When the connection closes, or the answer was given without the handler: no caller waits for it any more. */
  readonly cancellation: Cancellation;
}

/** Answers a call with the encoded response; throws a StatusError for that status, anything else for Unknown. */
export type MethodHandler = (call: Call) => Uint8Array | Promise<Uint8Array>;

/** The handlers by service and method, as the wire names them. */
export type Services = Readonly<Record<string, Readonly<Record<string, MethodHandler>>>>;

export interface TtrpcServerOptions {
  /** Told of unexpected errors, beside the answer that the caller gets. */
  onInternalError?(call: Call, error: unknown): void;
  /** Told of a message that was answered with an error and reached no handler: too long, unreadable, of no known method. */
  onRefused?(error: unknown): void;
}

/** Calls answered at the same time; one more is refused with ResourceExhausted. */
const MAX_IN_FLIGHT = 1024;

/** The answering side of a ttRPC connection: the plugin's on conn 1, the runtime's on conn 2. */
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
   * Takes one message; what it throws is the answer on the message's stream, and the connection stays up.
   * compat: the checks and their order are those of Go's server.
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
    // Anything else is of a later ttRPC.
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

/** The deadline that a request's timeout_nano sets from now; one below 0 has passed already. */
function toDeadline(timeoutNano: bigint): Deadline {
  return Deadline.after(timeoutNano === 0n ? Number.POSITIVE_INFINITY : Number(timeoutNano) / 1e6);
}

/** An answer that a handler gives on purpose, unlike a fault of the code. */
function foreseen(error: unknown): boolean {
  return error instanceof StatusError || (error instanceof BridgeError && error.code !== "INTERNAL");
}

/** Only a table's own keys are names: a service called "__proto__" is as unknown as any other. */
function findHandler(services: Services, { service, method }: TtrpcRequest): MethodHandler {
  const methods = Object.hasOwn(services, service) ? services[service] : undefined;
  if (methods === undefined) throw new StatusError(Code.Unimplemented, `service ${service}`);
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler === undefined) throw new StatusError(Code.Unimplemented, `method ${method}`);
  return handler;
}
