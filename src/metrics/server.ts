import { existsSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import type { MetricsAddress } from "./address.js";
import type { Health } from "./health.js";

/** What is served, asked for each request. */
export interface MetricsPages {
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  healthz(): Health;
  readyz(): Health;
}

export interface MetricsServer {
  /** The address in use: with the port that the system chose where 0 was asked for. */
  readonly address: MetricsAddress;
  close(): Promise<void>;
}

/** Scrapers and probes are few; a stuck one holds no more than this. */
const maxConnections = 16;
const timeoutMs = 5_000;

/** Serves /metrics, /healthz and /readyz. @throws the system's error when the address cannot be listened on */
export async function serveMetrics(address: MetricsAddress, pages: MetricsPages): Promise<MetricsServer> {
  const server = createServer({ requestTimeout: timeoutMs, headersTimeout: timeoutMs }, (request, response) => {
    answer(request, response, pages).catch(() => response.destroy());
  });
  server.maxConnections = maxConnections;
  await (address.kind === "unix" ? listenUnix(server, address.path) : listen(server, address));
  // A socket that fails later costs that one request.
  server.on("error", () => {});
  server.unref();
  const bound = server.address();
  return {
    address: address.kind === "tcp" && typeof bound === "object" && bound ? { ...address, port: bound.port } : address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, pages: MetricsPages): Promise<void> {
  const [path] = (request.url ?? "/").split("?");
  response.setHeader("Cache-Control", "no-store");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return send(response, 405, "GET or HEAD is expected");
  }
  if (path === "/metrics") {
    const { contentType, text } = await pages.metrics();
    response.writeHead(200, { "Content-Type": contentType }).end(text);
    return;
  }
  if (path === "/healthz" || path === "/readyz") {
    const { ok, text } = path === "/healthz" ? pages.healthz() : pages.readyz();
    return send(response, ok ? 200 : 503, text);
  }
  send(response, 404, "/metrics, /healthz and /readyz are here");
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${text}\n`);
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
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
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
