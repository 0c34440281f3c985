import { connect, Socket as NetSocket, type OnReadOpts, type Socket, type SocketConstructorOpts } from "node:net";
import { BridgeError, errnoOf, errorText } from "../../base/errors.js";
import { CloseEvent, type Trunk } from "./trunk.js";

/** The longest path of a unix socket, in bytes: sun_path has 108 bytes with the NUL at its end. */
const MAX_PATH_BYTES = 107;

/** The most bytes that may wait for a peer that does not read: eight messages of the greatest length. */
const MAX_QUEUED_BYTES = 32 * 1024 * 1024;

/** The parts of a message of up to this many bytes are copied into one buffer before the write. */
const JOINED_BYTES = 4096;

/** How long an orderly close waits for the peer to read the queued messages, in milliseconds. */
const LINGER_MS = 1000;

/** The size of the read buffer. It is larger than a unix socket's buffer in Linux, so that a long message needs few reads. */
const READ_BYTES = 256 * 1024;

/** After a read of at least this many bytes the listener gets the read buffer itself, and not a copy of its bytes. */
const GIVEN_AWAY_BYTES = 32 * 1024;

/** By errno, why a connect failed, and what the user can do about it. */
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
 * @throws BridgeError CONNECT_FAILED when the path cannot be one of a socket, the connect fails, or it takes too long;
 *   the message names the path and the remedy
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
    // The listener stays after `giveUp`: an error event without a listener would end the bridge.
    socket.on("error", (error) => giveUp(remedyFor(error), error));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(new SocketTrunk(socket, reader));
    });
  });
}

/**
 * Takes over a connected socket that this process inherited: NRI_PLUGIN_SOCKET is the socket's descriptor when the runtime launched
 * the bridge.
 * @throws BridgeError CONNECT_FAILED when the descriptor is no open socket
 */
export function adoptTrunk(fd: number): Trunk {
  const onread = new SocketReader();
  // Node's types have `onread` only for `connect`; the constructor of a socket accepts the option, too.
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

/**
 * @throws BridgeError CONNECT_FAILED for an empty path, a path with a NUL, and a path that is too long: the kernel, or
 *   libuv, which cuts the path, would connect to another one.
 */
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
 * Reads a socket without Node's stream: into one buffer, out of which short reads are copied. A stream would allocate memory for
 * each read; the allocation and its later garbage collection take a third of the time of an event that no plugin wants.
 */
export class SocketReader implements OnReadOpts {
  listener: (chunk: Uint8Array) => void = () => {};
  private memory: Uint8Array | undefined;

  /** Returns the memory into which Node reads next. */
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

/** A connected unix socket as a trunk. The trunk owns the socket, and closes it. */
export class SocketTrunk implements Trunk {
  private readonly ended = new CloseEvent();

  /** @param reader the socket's `onread` option; absent for the sockets of a server, which have none */
  constructor(
    private readonly socket: Socket,
    private readonly reader?: SocketReader,
  ) {
    // This listener is never removed: an EPIPE may come after the close, and without a listener it would end the bridge.
    socket.on("error", (cause) =>
      this.ended.fire(new BridgeError("CONNECTION_CLOSED", `the connection broke: ${cause.message}`, {}, { cause })),
    );
    // When the peer has closed its sending side, the connection ends for both sides.
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
    // For a short message one write(2) after a copy costs less than a writev(2) of the parts.
    if (length <= JOINED_BYTES) {
      this.socket.write(Buffer.concat(parts, length));
      return;
    }
    // Node sends the parts of a corked socket by one writev(2), without copying them.
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
