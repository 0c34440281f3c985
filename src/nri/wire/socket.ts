import { connect, Socket as NetSocket, type OnReadOpts, type Socket, type SocketConstructorOpts } from "node:net";
import { BridgeError, errnoOf, errorText } from "../../base/errors.js";
import { CloseEvent, type Trunk } from "./trunk.js";

/** The longest path of a unix socket in bytes: sun_path with its closing NUL is 108. */
const MAX_PATH_BYTES = 107;

/** Bytes that may wait for a peer that does not read; eight of the longest messages. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/** Up to here the parts of a message are joined by copying. */
const JOINED_BYTES = 4096;

/** How long an orderly close waits for the peer to take what is queued, in milliseconds. */
const LINGER_MS = 1000;

/** More than a unix socket of Linux holds: a long message comes in few reads. */
const READ_BYTES = 256 * 1024;

/** From here on a read's memory is given away instead of copied. */
const GIVEN_AWAY_BYTES = 32 * 1024;

/** Why a connect failed, and what to do about it, by errno. */
const remedies: Readonly<Record<string, string>> = {
  ENOENT: "no such socket; is NRI enabled in the runtime, and the socket's directory mounted?",
  ECONNREFUSED: "no process listens there; is the runtime running, and is the path a socket?",
  EACCES: "permission denied; run as root, or as the socket's owner",
  ENOTDIR: "a part of the path is not a directory",
  EAGAIN: "the runtime has too many connections waiting; try again later",
};

/**
 * Connects to the runtime's unix socket.
 * @param timeoutMs how long to try, in milliseconds
 * @throws BridgeError CONNECT_FAILED, naming the path and the remedy
 */
export function connectTrunk(path: string, timeoutMs: number): Promise<Trunk> {
  return new Promise((resolve, reject) => {
    checkPath(path);
    const reader = new SocketReader();
    const socket = connect({ path, onread: reader });
    const giveUp = (reason: string, cause?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(connectFailed(path, reason, cause));
    };
    const timer = setTimeout(() => giveUp(`not connected within ${timeoutMs} ms`), timeoutMs);
    // Stays on after giving up: an error event without a listener would end the process.
    socket.on("error", (error) => giveUp(remedyFor(error), error));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(new SocketTrunk(socket, reader));
    });
  });
}

/**
 * Takes over a connected socket that was inherited, as a plugin that the runtime launched does with NRI_PLUGIN_SOCKET.
 * @throws BridgeError CONNECT_FAILED when the descriptor is no socket
 */
export function adoptTrunk(fd: number): Trunk {
  const onread = new SocketReader();
  // Node's types know `onread` for connections only; sockets of a descriptor take it as well.
  const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
    ...{ fd, onread },
    ...{ readable: true, writable: true },
  };
  try {
    return new SocketTrunk(new NetSocket(options), onread);
  } catch (error) {
    throw connectFailed(`file descriptor ${fd}`, `the descriptor is not an open socket: ${errorText(error)}`, error);
  }
}

/** @throws BridgeError CONNECT_FAILED for a path that the kernel, or libuv by cutting it, would take for another. */
export function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length === 0) throw connectFailed("(empty)", "the path of the socket is empty");
  if (path.includes("\0")) throw connectFailed(JSON.stringify(path), "the path has a NUL in it");
  if (length > MAX_PATH_BYTES) {
    throw connectFailed(path, `the path has ${length} bytes; a unix socket's has at most ${MAX_PATH_BYTES}`);
  }
}

function remedyFor(error: Error): string {
  const remedy = remedies[errnoOf(error)];
  return remedy === undefined ? error.message : `${remedy} (${errnoOf(error)})`;
}

function connectFailed(path: string, reason: string, cause?: unknown): BridgeError {
  return new BridgeError("CONNECT_FAILED", `cannot connect to ${path}: ${reason}`, { path }, { cause });
}

/**
 * Reads of a socket, without the stream around it: into one buffer, and copied out of it. A stream takes new memory
 * for each read, which is the collector's work later, and a third of the time of an event that no plugin wants.
 */
export class SocketReader implements OnReadOpts {
  listener: (chunk: Uint8Array) => void = () => {};
  private memory: Uint8Array | undefined;

  /** Where the next read goes. */
  readonly buffer = (): Uint8Array => {
    this.memory ??= new Uint8Array(READ_BYTES);
    return this.memory;
  };

  readonly callback = (size: number, memory: Uint8Array): boolean => {
    if (size < GIVEN_AWAY_BYTES) this.listener(memory.slice(0, size));
    else {
      this.memory = undefined;
      this.listener(memory.subarray(0, size));
    }
    return true;
  };
}

/** A connected unix socket as a trunk. Owns the socket from here on. */
export class SocketTrunk implements Trunk {
  private readonly ended = new CloseEvent();

  /** @param reader the one that the socket was made with; a server's sockets have none */
  constructor(
    private readonly socket: Socket,
    private readonly reader?: SocketReader,
  ) {
    // For good: after the close too an EPIPE may come, and an error event without a listener would end the process.
    socket.on("error", (cause) =>
      this.ended.fire(new BridgeError("CONNECTION_CLOSED", `the connection broke: ${cause.message}`, {}, { cause })),
    );
    // The end of what the peer sends is the end of the connection; nothing is written to it any more.
    socket.on("end", () => this.close());
    socket.on("close", () => this.ended.fire());
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.ended.fired) return;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const waiting = this.socket.writableLength;
    if (waiting + length > MAX_QUEUED_BYTES) {
      const text = `the peer does not read from the socket: ${waiting} bytes wait to be sent`;
      this.close(new BridgeError("CONNECTION_CLOSED", text, { waiting }));
      return;
    }
    // One write(2) of a short message costs less than gathering its parts.
    if (length <= JOINED_BYTES) {
      this.socket.write(Buffer.concat(parts, length));
      return;
    }
    // Corked, the parts go out in one writev(2), and none of them is copied.
    this.socket.cork();
    for (const part of parts) this.socket.write(part);
    this.socket.uncork();
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    const take = (chunk: Uint8Array) => {
      if (!this.ended.fired) listener(chunk);
    };
    if (this.reader !== undefined) this.reader.listener = take;
    else this.socket.on("data", take);
  }

  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  close(error?: Error): void {
    if (this.ended.fired) return;
    this.ended.fire(error);
    if (error !== undefined || this.socket.readableEnded) {
      this.socket.destroy();
      return;
    }
    const linger = setTimeout(() => this.socket.destroy(), LINGER_MS);
    this.socket.once("close", () => clearTimeout(linger));
    this.socket.destroySoon();
  }
}
