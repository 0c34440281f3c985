import { lstat, unlink } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { BridgeError, errnoOf, errorText } from "../../base/errors.js";
import { checkPath, connectTrunk } from "../../nri/wire/socket.js";
import { SocketTrunk } from "../../nri/wire/socket-trunk.js";
import type { Trunk } from "../../nri/wire/trunk.js";

/** A unix socket that takes connections, as the runtime's does; closing it leaves the accepted trunks alone. */
export interface Listener {
  close(): Promise<void>;
}

/** How long a socket file's owner has to answer before the file counts as left behind, in milliseconds. */
const PROBE_MS = 1000;

/**
 * Listens on a unix socket. A socket file that nobody answers on is replaced; a file that is no socket is not touched.
 * @throws BridgeError CONNECT_FAILED when the path cannot be listened on
 */
export async function listenTrunks(path: string, onTrunk: (trunk: Trunk) => void): Promise<Listener> {
  checkPath(path);
  await removeLeftover(path);
  const server = createServer((socket) => onTrunk(new SocketTrunk(socket)));
  await listen(server, path);
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function removeLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw listenFailed(path, "a file that is no socket is in the way");
  if (await answers(path)) throw listenFailed(path, "another process listens there");
  await unlink(path).catch((error: unknown) => {
    throw listenFailed(path, `the socket left behind cannot be removed: ${errorText(error)}`, error);
  });
}

async function answers(path: string): Promise<boolean> {
  try {
    (await connectTrunk(path, PROBE_MS)).close();
    return true;
  } catch (error) {
    // Only a refusal proves that nobody is there; a full queue or a denied permission is somebody's.
    const cause = error instanceof Error ? error.cause : undefined;
    return errnoOf(cause) !== "ECONNREFUSED";
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenFailed(path, error.message, error)));
    server.listen({ path }, resolve);
  });
}

function listenFailed(path: string, reason: string, cause?: unknown): BridgeError {
  return new BridgeError("CONNECT_FAILED", `cannot listen on ${path}: ${reason}`, { path }, { cause });
}
