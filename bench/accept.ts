import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";

import { pluginService } from "../src/nri/codec.js";
import type { ContainerEvent } from "../src/nri/events.js";
import { type EventName, encodeEvent, events } from "../src/nri/events.js";
import { encodeRequest } from "../src/nri/ttrpc/envelope.js";
import { inferNriVersion } from "../src/nri/versions.js";
import { ConnId, encodeMuxFrames } from "../src/nri/wire/mux-frame.js";
import { SocketTrunk } from "../src/nri/wire/socket-trunk.js";
import { encodeTtrpcFrame, MessageType } from "../src/nri/wire/ttrpc-frame.js";
import { configurePlugin, RuntimeLink, synchronizePlugin } from "../src/tools/runtime/runtime-plugin.js";

/** The runtime's end of one plugin's connection. */
export interface RuntimeEnd {
  /** Sends an event and waits for its answer. */
  call(
    name: EventName,
    event: ContainerEvent,
  ): Promise<{ readonly durationMs: number; readonly error?: { readonly code: string; readonly message: string } }>;
  close(): Promise<void>;
}

const runtime = { name: "containerd", version: "1.7.24", requestTimeoutMs: 2000, registrationTimeoutMs: 5000 } as const;

/**
 * Takes the connection of a plugin as containerd 1.7.24 does, and hands it to the program of driver.c, so that the times
 * are the plugin's and not our own.
 */
export async function acceptPlugin(
  socketPath: string,
  driver: string,
  start: () => ChildProcess,
): Promise<{ readonly end: RuntimeEnd; readonly child: ChildProcess }> {
  const server = createServer();
  server.listen(socketPath);
  const connected = once(server, "connection", { signal: AbortSignal.timeout(30_000) });
  const child = start();
  const [socket]: Socket[] = await connected;
  if (socket === undefined) throw new Error("unreachable");
  const nri = inferNriVersion(runtime.name, runtime.version);
  if (nri === undefined) throw new Error("the NRI version of containerd 1.7.24 is known");
  const link = new RuntimeLink(new SocketTrunk(socket));
  await link.registered(10_000);
  await configurePlugin(link, { ...runtime, nri }, "");
  await synchronizePlugin(link, { pods: [], containers: [] }, runtime.requestTimeoutMs);
  return { child, end: new DrivenEnd(server, socket, driver) };
}

class DrivenEnd implements RuntimeEnd {
  private readonly driver: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  /** Beyond those of the handshake. */
  private streamId = 1001;

  constructor(
    /** It listens on: a bridge looks there for the runtime's process. */
    private readonly server: Server,
    private readonly socket: Socket,
    program: string,
  ) {
    // A stream that is paused reads on until its buffer is full.
    Reflect.get(socket, "_handle").readStop();
    this.driver = spawn(program, [], { stdio: ["pipe", "pipe", "inherit", socket] });
    if (this.driver.stdout === null) throw new Error("unreachable");
    this.lines = createInterface(this.driver.stdout)[Symbol.asyncIterator]();
  }

  async call(name: EventName, event: ContainerEvent) {
    const { method, payload } = encodeEvent(name, event, events[name].call === "own" ? "own" : "StateChange");
    const timeoutNano = BigInt(runtime.requestTimeoutMs) * 1_000_000n;
    const body = encodeRequest({ service: pluginService, method, payload, timeoutNano, metadata: [] });
    const frames = encodeMuxFrames(ConnId.plugin, encodeTtrpcFrame(this.streamId, MessageType.request, body));
    this.streamId += 2;
    const bytes = Buffer.concat(frames);
    const size = Buffer.alloc(4);
    if (process.arch === "s390x") size.writeUInt32BE(bytes.length);
    else size.writeUInt32LE(bytes.length);
    this.driver.stdin?.write(Buffer.concat([size, bytes]));
    const { value = "" } = await this.lines.next();
    const [micros, answerBytes] = value.split(" ").map(Number);
    // An empty answer, or one without updates: an error has a status with a text in it.
    const error = { code: "UNKNOWN", message: `the answer has ${answerBytes} bytes` };
    return { durationMs: (micros ?? Number.NaN) / 1000, ...(answerBytes === 0 ? {} : { error }) };
  }

  async close(): Promise<void> {
    this.driver.stdin?.end();
    this.socket.destroy();
    this.server.close();
  }
}
