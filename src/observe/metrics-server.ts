import { existsSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";
import { BridgeError, errnoOf } from "../base/errors.js";
import { makeDirectory } from "../base/files.js";
import type { Health } from "./metrics.js";

/** What is served, asked for each request. */
interface MetricsPages {
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  healthz(): Health;
  readyz(): Health;
}

export interface MetricsServer {
  /** The address in use: with the port that the system chose where 0 was asked for. */
  readonly address: MetricsAddress;
  close(): Promise<void>;
}

/** Scrapers and probes are few. */
const maxConnections = 16;
/** This is the same machine: a request and its answer take milliseconds. */
const defaultTimeoutMs = 5_000;

/** Serves /metrics, /healthz and /readyz. @throws the system's error when the address cannot be listened on */
export async function serveMetrics(
  address: MetricsAddress,
  pages: MetricsPages,
  timeoutMs = defaultTimeoutMs,
): Promise<MetricsServer> {
  const timeouts = { headersTimeout: timeoutMs, requestTimeout: timeoutMs, connectionsCheckingInterval: timeoutMs / 5 };
  const server = createServer(timeouts, (request, response) => {
    answer(pages, request, response).catch(() => response.destroy());
  });
  // Who does not read its answer.
  server.timeout = timeoutMs;
  server.maxConnections = maxConnections;
  // Else one write of many requests would be many pages of metrics.
  server.maxRequestsPerSocket = 1;
  await listenOn(server, address);
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

async function answer(pages: MetricsPages, { method, url = "/" }: IncomingMessage, response: ServerResponse) {
  const [path] = url.split("?");
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Connection", "close");
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    send(response, 405, "GET or HEAD is expected\n");
  } else if (path === "/metrics") {
    const { contentType, text } = await pages.metrics();
    send(response, 200, text, contentType);
  } else if (path === "/healthz" || path === "/readyz") {
    const { ok, text } = path === "/healthz" ? pages.healthz() : pages.readyz();
    send(response, ok ? 200 : 503, `${text}\n`);
  } else send(response, 404, "/metrics, /healthz and /readyz are here\n");
}

function send(response: ServerResponse, status: number, text: string, contentType = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) }).end(text);
}

/** @throws the system's error when the address cannot be listened on */
function listenOn(server: Server, address: MetricsAddress): Promise<void> {
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
    socket.once("error", (error) => resolve(errnoOf(error) !== "ECONNREFUSED"));
  });
}

/** Where metrics are served. */
export type MetricsAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or `unix:/path`. Other addresses are refused: what plugins run on
 * a node, and how well, is nobody's business beyond it, and the listener asks for no password. What scrapes from
 * elsewhere goes through the node's own proxy.
 * @throws BridgeError CONFIG
 */
export function parseMetricsAddress(text: string): MetricsAddress {
  if (text.startsWith("unix:/")) return { kind: "unix", path: text.slice("unix:".length) };
  const [, host = "", digits = ""] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const loopback = loopbackHost(host);
  if (loopback !== undefined && digits !== "" && port <= 65_535) return { kind: "tcp", host: loopback, port };
  const reason = loopback === undefined && digits !== "" ? "is not a loopback address" : "is no address";
  throw new BridgeError(
    "CONFIG",
    `metrics.listen: ${JSON.stringify(text)} ${reason}; 127.0.0.1:9464, [::1]:9464 or unix:/path is expected`,
  );
}

/** The address to listen on; undefined when others than this machine could reach it. */
function loopbackHost(host: string): string | undefined {
  // Not what the machine's resolver makes of the name.
  if (host === "localhost") return "127.0.0.1";
  if (host === "[::1]") return "::1";
  const octets = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  return octets?.every((octet) => Number(octet) <= 255) ? host : undefined;
}

export function formatMetricsAddress(address: MetricsAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
