import { statSync } from "node:fs";
import { connect, Socket as NetSocket, type Socket, type SocketConstructorOpts } from "node:net";
import { BridgeError, errorText } from "../../base/errors.js";
import { SocketReader, SocketTrunk } from "./socket-trunk.js";
import type { Trunk } from "./trunk.js";

/** The longest path of a unix socket in bytes: sun_path with its closing NUL is 108. */
const MAX_PATH_BYTES = 107;

/** The longest time that a Node timer takes, in milliseconds; a longer one would ring at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Why a connect failed, and what to do about it, by errno. */
const remedies: Readonly<Record<string, string>> = {
  ENOENT: "no such socket; is NRI enabled in the runtime, and the socket's directory mounted?",
  ECONNREFUSED: "nobody listens there; is the runtime running, and is the path a socket?",
  EACCES: "permission denied; run as root, or as the socket's owner",
  EPERM: "not permitted; run as root, or as the socket's owner",
  ENOTSOCK: "the path is no socket",
  ENOTDIR: "a part of the path is no directory",
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
    const timer = setTimeout(
      () => giveUp(`not connected within ${Math.round(timeoutMs)} ms`),
      Math.min(timeoutMs, MAX_TIMER_MS),
    );
    // Stays on after giving up: an error event nobody listens to would end the process.
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
  const reader = new SocketReader();
  return new SocketTrunk(adoptSocket(fd, reader), reader);
}

function adoptSocket(fd: number, onread: SocketReader): Socket {
  try {
    // Node's types know `onread` for connections only; sockets of a descriptor take it as well.
    const options: SocketConstructorOpts & { readonly onread: SocketReader } = {
      fd,
      readable: true,
      writable: true,
      onread,
    };
    return new NetSocket(options);
  } catch (error) {
    throw connectFailed(`file descriptor ${fd}`, `it is no open socket: ${errorText(error)}`, error);
  }
}

/** @throws BridgeError CONNECT_FAILED for a path that the kernel, or libuv by cutting it, would take for another. */
export function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length === 0) throw connectFailed("(empty)", "the path of a socket is needed");
  if (path.includes("\0")) throw connectFailed(JSON.stringify(path), "the path has a NUL in it");
  if (length > MAX_PATH_BYTES) {
    throw connectFailed(path, `the path has ${length} bytes; a unix socket's has at most ${MAX_PATH_BYTES}`);
  }
}

/**
 * What tells a socket from the next one at its path; undefined when none can be seen. A runtime that starts makes a new one.
 * Not the inode alone: a file system may give the same number again.
 */
export function socketIdentity(path: string): string | undefined {
  try {
    const { dev, ino, mtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${mtimeNs}`;
  } catch {
    return undefined;
  }
}

function remedyFor(error: NodeJS.ErrnoException): string {
  const remedy = error.code === undefined ? undefined : remedies[error.code];
  return remedy === undefined ? error.message : `${remedy} (${error.code})`;
}

function connectFailed(path: string, reason: string, cause?: unknown): BridgeError {
  return new BridgeError("CONNECT_FAILED", `cannot connect to ${path}: ${reason}`, { path }, { cause });
}
