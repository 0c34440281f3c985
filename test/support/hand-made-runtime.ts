import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import protobuf from "protobufjs";

/** The channels of an NRI connection. */
const pluginService = 1;
const runtimeService = 2;
const requestType = 1;
const responseType = 2;

export interface Answer {
  readonly payload: Buffer;
  /** Why the call failed; "" when it did not. A connection that ends answers all that is open. */
  readonly error: string;
}

export interface HandMadeRuntime {
  /** Waits for a plugin; registers, configures and synchronizes it. */
  accept(): Promise<void>;
  /** Calls the plugin that was accepted last. */
  call(method: string, payload: Uint8Array): Promise<Answer>;
  close(): void;
}

/**
 * As much of a runtime's side of NRI as it takes to try a program from the outside: mux, ttRPC and messages written by hand, so
 * that nothing of `src` vouches for itself.
 *
 * @param options.refusal why a registration is refused; absent: it is not
 * @param options.version of the containerd that it says it is
 */
export async function listenByHand(
  socketPath: string,
  { refusal, version = "v1.7.24" }: { readonly refusal?: string | undefined; readonly version?: string } = {},
): Promise<HandMadeRuntime> {
  let plugin: Peer | undefined;
  const registered: Promise<void>[] = [];
  let arrived = () => {};
  const server = createServer((socket) => {
    plugin = new Peer(socket, refusal);
    registered.push(plugin.registered);
    arrived();
  }).listen(socketPath);
  await once(server, "listening");
  const call = (method: string, payload: Uint8Array) => {
    if (plugin === undefined) throw new Error("no plugin is there");
    return plugin.call(method, payload);
  };
  return {
    async accept() {
      if (registered.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
      await registered.shift();
      // Configure: runtime_name, runtime_version; both timeouts in milliseconds.
      await call("Configure", encode([2, "containerd"], [3, version], [4, 5_000], [5, 2_000]));
      await call("Synchronize", Buffer.alloc(0));
    },
    call,
    close() {
      plugin?.socket.destroy();
      server.close();
    },
  };
}

/** A plugin's connection. */
class Peer {
  readonly registered: Promise<void>;
  private readonly received = new Map<number, Buffer>();
  private readonly calls = new Map<number, (answer: Answer) => void>();
  private nextStream = 1;
  private wasRegistered = () => {};

  constructor(
    readonly socket: Socket,
    private readonly refusal: string | undefined,
  ) {
    this.registered = new Promise((resolve) => (this.wasRegistered = resolve));
    socket.on("close", () => {
      for (const answer of this.calls.values()) answer({ payload: Buffer.alloc(0), error: "the connection is closed" });
    });
    let trunk: Buffer = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      // Mux: the channel's number, a length, and so many bytes of the channel.
      trunk = Buffer.concat([trunk, chunk]);
      while (trunk.length >= 8 && trunk.length >= 8 + trunk.readUInt32BE(4)) {
        const end = 8 + trunk.readUInt32BE(4);
        this.receive(trunk.readUInt32BE(0), trunk.subarray(8, end));
        trunk = trunk.subarray(end);
      }
    });
  }

  async call(method: string, payload: Uint8Array): Promise<Answer> {
    if (this.socket.closed) return { payload: Buffer.alloc(0), error: "the connection is closed" };
    const stream = this.nextStream;
    this.nextStream += 2;
    const timeoutNano = 2_000_000_000;
    const request = encode([1, "nri.pkg.api.v1alpha1.Plugin"], [2, method], [3, payload], [4, timeoutNano]);
    this.send(pluginService, stream, requestType, request);
    return new Promise((resolve) => this.calls.set(stream, resolve));
  }

  private receive(channel: number, bytes: Buffer): void {
    // ttRPC: a length, the stream's number, a type, flags, and so many bytes.
    let rest = Buffer.concat([this.received.get(channel) ?? Buffer.alloc(0), bytes]);
    while (rest.length >= 10 && rest.length >= 10 + rest.readUInt32BE(0)) {
      const end = 10 + rest.readUInt32BE(0);
      this.take(channel, rest.readUInt32BE(4), rest.subarray(10, end));
      rest = rest.subarray(end);
    }
    this.received.set(channel, rest);
  }

  private take(channel: number, stream: number, message: Buffer): void {
    if (channel === runtimeService) {
      // RegisterPlugin, or updates that the plugin asks for: nothing is to be said but yes or no.
      const refused = this.refusal === undefined ? Buffer.alloc(0) : encode([1, encode([1, 2], [2, this.refusal])]);
      this.send(channel, stream, responseType, refused);
      this.wasRegistered();
    } else {
      const { 1: status, 2: payload = Buffer.alloc(0) } = fieldsOf(message);
      const error = status === undefined ? "" : (fieldsOf(status)[2]?.toString() ?? "");
      this.calls.get(stream)?.({ payload, error });
      this.calls.delete(stream);
    }
  }

  private send(channel: number, stream: number, type: number, message: Buffer): void {
    const header = Buffer.alloc(18);
    header.writeUInt32BE(channel, 0);
    header.writeUInt32BE(10 + message.length, 4);
    header.writeUInt32BE(message.length, 8);
    header.writeUInt32BE(stream, 12);
    header.writeUInt8(type, 16);
    this.socket.write(Buffer.concat([header, message]));
  }
}

/** A protobuf message of these fields: numbers as varints, texts and bytes with their length. */
function encode(...fields: readonly (readonly [field: number, value: number | string | Uint8Array])[]): Buffer {
  const writer = protobuf.Writer.create();
  for (const [field, value] of fields) {
    if (typeof value === "number") writer.uint32(field * 8).uint64(value);
    else writer.uint32(field * 8 + 2).bytes(Buffer.from(value));
  }
  return Buffer.from(writer.finish());
}

/** The fields of a message that hold bytes, by number; varints are passed over. */
function fieldsOf(message: Buffer): Record<number, Buffer | undefined> {
  const fields: Record<number, Buffer | undefined> = {};
  for (const reader = protobuf.Reader.create(message); reader.pos < reader.len; ) {
    const tag = reader.uint32();
    if (tag % 8 === 2) fields[Math.floor(tag / 8)] = Buffer.from(reader.bytes());
    else reader.skipType(tag % 8);
  }
  return fields;
}
