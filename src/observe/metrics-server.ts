import { once } from "node:events";
import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createConnection, type ListenOptions, type Server } from "node:net";
import { dirname } from "node:path";
import { errnoOf } from "../base/errors.js";
import { makeDirectory } from "../base/files.js";
import type { Health } from "./metrics.js";

export * as client from "prom-client";

/** Makes the served texts, anew for each request. */
interface MetricsPages {
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  readyz(): Health;
}

export interface MetricsServer {
  readonly address: ReturnType<Server["address"]>;
  close(): Promise<void>;
}

/**
 * Serves /metrics, /healthz and /readyz at an address such as `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/path`. The
 * configuration allows no other host, since the server asks for no password.
 * @throws the system's error when the server cannot listen at the address
 */
export async function serveMetrics(
  address: string,
  pages: MetricsPages,
  // Clients are on the same machine: a request and its answer take milliseconds.
  timeoutMs = 5_000,
): Promise<MetricsServer> {
  const timeouts = { headersTimeout: timeoutMs, requestTimeout: timeoutMs, connectionsCheckingInterval: timeoutMs / 5 };
  const server = createServer(timeouts, (request, response) => {
    answer(pages, request, response).catch(() => response.destroy());
  });
  // Disconnects a client that does not read its answer.
  server.timeout = timeoutMs;
  // A node has few scrapers and probes.
  server.maxConnections = 16;
  // Otherwise a client that pipelines many requests would make the bridge build as many pages of metrics.
  server.maxRequestsPerSocket = 1;
  const [, host = "", port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  if (address.startsWith("unix:")) await listenUnix(server, address.slice("unix:".length));
  // The bridge does not ask the resolver for `localhost`, which may give another address.
  else await listen(server, { host: host === "localhost" ? "127.0.0.1" : host, port: Number(port) });
  // An error after the start fails one request, and must not end the bridge.
  server.on("error", () => {});
  server.unref();
  return {
    address: server.address(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(pages: MetricsPages, { url = "/" }: IncomingMessage, response: ServerResponse) {
  const [path] = url.split("?");
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Connection", "close");
  if (path === "/metrics") {
    const { contentType, text } = await pages.metrics();
    send(response, 200, text, contentType);
  } else if (path === "/readyz") {
    const { ok, text } = pages.readyz();
    send(response, ok ? 200 : 503, `${text}\n`);
    // /healthz needs no check: an event loop that hangs does not answer.
  } else if (path === "/healthz") send(response, 200, "ok\n");
  else send(response, 404, "/metrics, /healthz and /readyz are here\n");
}

function send(response: ServerResponse, status: number, text: string, contentType = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) }).end(text);
}

async function listen(server: Server, where: ListenOptions): Promise<void> {
  server.listen(where);
  await once(server, "listening");
}

/**
 * Listens on a unix socket that only its owner may connect to. Replaces a socket file that no process serves.
 * @throws the system's error when anything else is at the path
 */
async function listenUnix(server: Server, path: string): Promise<void> {
  if (existsSync(path) && lstatSync(path).isSocket() && !(await answers(path))) unlinkSync(path);
  makeDirectory(dirname(path), 0o700);
  // listen() makes the socket file synchronously, so that no other file gets this umask.
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
    socket.once("error", (error) => resolve(errnoOf(error) !== "ECONNREFUSED"));
  });
}
