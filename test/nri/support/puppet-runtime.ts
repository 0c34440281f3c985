import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { configureRequest, pluginService, synchronizeRequest } from "../../../src/nri/codec.js";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type TtrpcRequest,
  type TtrpcResponse,
} from "../../../src/nri/ttrpc/envelope.js";
import type { ConfigureRequest } from "../../../src/nri/types.js";
import { ConnId, encodeMuxFrames } from "../../../src/nri/wire/mux-frame.js";
import { encodeTtrpcFrame, MessageType } from "../../../src/nri/wire/ttrpc-frame.js";
import { MessageReader, type WireMessage } from "./message-reader.js";
import { socketPath, startStub } from "./nri-pair.js";

/** A message that the plugin sent. */
export interface Received extends Pick<WireMessage, "connId" | "streamId"> {
  readonly request?: TtrpcRequest;
  readonly response?: TtrpcResponse;
}

/** A runtime that does what the test says, and nothing by itself: it may break every rule. */
export async function listenPuppet(path: string) {
  const connections = new Mailbox<PuppetConnection>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    connections.put(new PuppetConnection(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  /** The next connection that a plugin makes. */
  const next = () => connections.take();
  return { next, close };
}

/** A stub that has connected to a runtime that does nothing by itself. */
export async function puppetStub(options: Parameters<typeof startStub>[1] = {}) {
  const path = socketPath();
  const { next } = await listenPuppet(path);
  return { ...startStub(path, options), connection: await next() };
}

export class PuppetConnection {
  /** Ends when the plugin hangs up. */
  readonly closed: Promise<void>;
  /** Everything that came, byte for byte. */
  readonly bytes: Buffer[] = [];
  private readonly messages = new Mailbox<Received>();
  private streamId = 1;

  constructor(readonly socket: Socket) {
    const reader = new MessageReader();
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.bytes.push(chunk);
      for (const { connId, streamId, type, body } of reader.push(new Uint8Array(chunk))) {
        const request = type === MessageType.request ? { request: decodeRequest(body) } : {};
        const response = type === MessageType.response ? { response: decodeResponse(body) } : {};
        this.messages.put({ connId, streamId, ...request, ...response });
      }
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** The next message of the plugin. */
  receive(): Promise<Received> {
    return this.messages.take();
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Answers a call of the plugin, with success unless told otherwise. */
  respond(streamId: number, response: Partial<TtrpcResponse> = {}): void {
    this.send(
      message(ConnId.runtime, streamId, MessageType.response, encodeResponse({ payload: nothing, ...response })),
    );
  }

  /** Calls the plugin without waiting; gives the stream id. */
  request(
    method: string,
    payload: Uint8Array = nothing,
    fields: Partial<TtrpcRequest> & { streamId?: number } = {},
  ): number {
    const { streamId = this.streamId, ...rest } = fields;
    this.streamId = streamId + 2;
    this.send(requestBytes(streamId, method, payload, rest));
    return streamId;
  }

  /** Calls the plugin and gives what it sends next. */
  async call(method: string, payload?: Uint8Array, fields?: Partial<TtrpcRequest>): Promise<Received> {
    this.request(method, payload, fields);
    return await this.receive();
  }

  configure(version = "1.7.24", fields: Partial<TtrpcRequest> = {}): Promise<Received> {
    return this.call("Configure", configureBytes(version), fields);
  }

  /** Registers, configures and synchronizes the plugin as the rules are. */
  async handshake(version = "1.7.24"): Promise<void> {
    const { streamId } = await this.receive();
    this.respond(streamId);
    await this.configure(version);
    await this.call("Synchronize", synchronizeRequest.encode({ pods: [], containers: [], more: false }));
  }
}

const nothing = new Uint8Array(0);
const twoSeconds = 2_000_000_000n;

export function configureBytes(runtimeVersion: string, fields: Partial<ConfigureRequest> = {}): Uint8Array {
  return configureRequest.encode({
    config: "",
    runtimeName: "containerd",
    runtimeVersion,
    registrationTimeout: 0n,
    requestTimeout: 0n,
    NRIVersion: "",
    ...fields,
  });
}

export function requestBytes(
  streamId: number,
  method: string,
  payload: Uint8Array = nothing,
  fields: Partial<TtrpcRequest> = {},
): Uint8Array {
  const request = { service: pluginService, method, payload, timeoutNano: twoSeconds, metadata: [], ...fields };
  return message(ConnId.plugin, streamId, MessageType.request, encodeRequest(request));
}

export function message(connId: number, streamId: number, type: number, body: Uint8Array): Uint8Array {
  return Buffer.concat(encodeMuxFrames(connId, encodeTtrpcFrame(streamId, type, body)));
}

/** Things that come one by one, to those who wait for them. */
class Mailbox<T> {
  private readonly things: T[] = [];
  private readonly waiting: ((thing: T) => void)[] = [];

  put(thing: T): void {
    const taker = this.waiting.shift();
    if (taker === undefined) this.things.push(thing);
    else taker(thing);
  }

  take(): Promise<T> {
    const thing = this.things.shift();
    return thing === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(thing);
  }
}
