import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";
import { makeDirectory } from "../files.js";
import type { MetricsAddress } from "./address.js";

/** @throws the system's error when the address cannot be listened on */
export function listenOn(server: Server, address: MetricsAddress): Promise<void> {
  return address.kind === "unix" ? listenUnix(server, address.path) : listen(server, address);
}

function listen(server: Server, where: { readonly host: string; readonly port: number } | { readonly path: string }) {
  return new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen("path" in where ? { path: where.path } : { host: where.host, port: where.port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** A socket file that nobody answers on is replaced; anything else in the way is an error. Only its owner may connect. */
async function listenUnix(server: Server, path: string): Promise<void> {
  if (existsSync(path) && lstatSync(path).isSocket() && !(await answers(path))) unlinkSync(path);
  makeDirectory(dirname(path), 0o700);
  // The file is made within listen(), before anything else can run: no other one gets this mode.
  const before = process.umask(0o177);
  try {
    const listening = listen(server, { path });
    process.umask(before);
    await listening;
  } finally {
    process.umask(before);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error) => resolve(!("code" in error && error.code === "ECONNREFUSED")));
  });
}
