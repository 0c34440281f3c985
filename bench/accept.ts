import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pluginService } from "../src/nri/codec.js";
import type { ContainerEvent } from "../src/nri/events.js";
import { type EventName, encodeEvent, events } from "../src/nri/events.js";
import { encodeRequest } from "../src/nri/ttrpc/envelope.js";
import { inferNriVersion } from "../src/nri/versions.js";
import { ConnId, encodeMuxFrames } from "../src/nri/wire/mux-frame.js";
import { SocketTrunk } from "../src/nri/wire/socket.js";
import type { Trunk } from "../src/nri/wire/trunk.js";
import { encodeTtrpcFrame, MessageType } from "../src/nri/wire/ttrpc-frame.js";
import { listenTrunks } from "../src/tools/runtime/runtime.js";
import { configurePlugin, RuntimeLink, synchronizePlugin } from "../src/tools/runtime/runtime-plugin.js";

const runtime = { name: "containerd", version: "1.7.24", requestTimeoutMs: 2000, registrationTimeoutMs: 5000 } as const;

/** Starts a plugin that connects to a socket, and gives the connection, and when it was started. */
export async function acceptLink(socketPath: string, start: () => ChildProcess) {
  let connect: (trunk: Trunk) => void = () => {};
  const connected = new Promise<Trunk>((resolve) => {
    connect = resolve;
  });
  const listener = await listenTrunks(socketPath, (trunk) => connect(trunk));
  const startedAt = performance.now();
  const child = start();
  const link = new RuntimeLink(await connected);
  const end = async () => {
    await endProgram(child);
    link.close();
    await listener.close();
  };
  return { child, link, startedAt, end };
}

/** Takes a plugin's registration and configures it as containerd 1.7.24 does. */
export async function configure(link: RuntimeLink): Promise<void> {
  const nri = inferNriVersion(runtime.name, runtime.version);
  if (nri === undefined) throw new Error("the NRI version of containerd 1.7.24 is known");
  await link.registered(10_000);
  await configurePlugin(link, { ...runtime, nri }, "");
}

/**
 * A plugin's process, registered with the runtime that we are. Its connection is handed to the program of driver.c, so
 * that the times are the plugin's and not our own.
 */
export class RegisteredPlugin {
  private readonly driver: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  /** Beyond those of the handshake. */
  private streamId = 1001;

  private constructor(
    readonly child: ChildProcess,
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

  /** @param logFile what it said, for the error when it does not register */
  static async accept(socketPath: string, driver: string, logFile: string, start: () => ChildProcess) {
    const server = createServer();
    server.listen(socketPath);
    const connected = once(server, "connection", { signal: AbortSignal.timeout(30_000) });
    const child = start();
    try {
      const [socket]: Socket[] = await connected;
      if (socket === undefined) throw new Error("unreachable");
      const link = new RuntimeLink(new SocketTrunk(socket));
      await configure(link);
      await synchronizePlugin(link, { pods: [], containers: [] }, runtime.requestTimeoutMs);
      return new RegisteredPlugin(child, server, socket, driver);
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${socketPath}: ${error}\n${readFileSync(logFile, "utf8")}`);
    }
  }

  /** Sends an event and waits for its answer; gives the microseconds. @throws Error when it is an error */
  async call(name: EventName, event: ContainerEvent): Promise<number> {
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
    const [micros = Number.NaN, answerBytes] = value.split(" ").map(Number);
    // An empty answer, or one without updates: an error has a status with a text in it.
    if (answerBytes !== 0) throw new Error(`${name}: the answer has ${answerBytes} bytes`);
    return micros;
  }

  /** Resident memory in megabytes, as the kernel counts it. */
  rssMb(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  /** What its threads have run on a CPU, in microseconds; its plugins not. */
  cpu(): number {
    const tasks = `/proc/${this.child.pid}/task`;
    const ran = readdirSync(tasks).map((task) =>
      Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]),
    );
    return ran.reduce((sum, ns) => sum + ns, 0) / 1000;
  }

  /** How often a second its threads wake with nothing to do. */
  async wakesPerSecond(seconds = 10): Promise<number> {
    const tasks = `/proc/${this.child.pid}/task`;
    const wakes = () => {
      const all = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/status`, "utf8"));
      return all.reduce((sum, text) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]), 0);
    };
    const before = wakes();
    await sleep(seconds * 1000);
    return (wakes() - before) / seconds;
  }

  async close(): Promise<void> {
    await endProgram(this.child);
    this.driver.stdin?.end();
    this.socket.destroy();
    this.server.close();
  }
}

export async function endProgram(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
