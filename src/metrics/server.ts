import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { MetricsAddress } from "./address.js";
import type { Health } from "./health.js";
import { listenOn } from "./listen.js";
import { shareWork } from "./shared-work.js";

/** What is served, asked for each request; the metrics for all requests of a moment together. */
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

/**
 * Scrapers and probes are few, and done in milliseconds. Node reads 64 KB of requests at once of a connection that sends many
 * in one piece, and makes objects of all: with this, a flood holds up an event by tenths of a second, not by the runtime's two.
 */
const maxConnections = 16;
/** From the connection to its end, whatever the other side does or leaves: this is the same machine. */
const defaultLifeMs = 5_000;

/** Serves /metrics, /healthz and /readyz. @throws the system's error when the address cannot be listened on */
export async function serveMetrics(
  address: MetricsAddress,
  pages: MetricsPages,
  lifeMs = defaultLifeMs,
): Promise<MetricsServer> {
  const answer = answerFrom(pages);
  /** Those that wait for nothing of ours, the oldest first. */
  const idle = new Set<Socket>();
  const server = createServer({ maxHeaderSize: 16 * 1024 }, (request, response) => {
    const { socket } = request;
    idle.delete(socket);
    answer(request, response)
      .catch(() => response.destroy())
      .finally(() => {
        if (!socket.destroyed) idle.add(socket);
      });
  });
  // Any process of the node may come here, and events wait for what is done for it: one request a connection.
  server.maxRequestsPerSocket = 1;
  server.on("dropRequest", (_request, socket) => socket.destroy());
  let open = 0;
  server.on("connection", (socket) => {
    open += 1;
    idle.add(socket);
    const life = setTimeout(() => socket.destroy(), lifeMs).unref();
    socket.once("close", () => {
      clearTimeout(life);
      open -= 1;
      idle.delete(socket);
    });
    // The new one may be a probe: connections that say nothing, or do not read, shut nobody out.
    const [oldest] = idle;
    if (open > maxConnections) oldest?.destroy();
  });
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

function answerFrom(pages: MetricsPages): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  // The bytes too: connections that do not read hold the same ones.
  const metrics = shareWork(async () => {
    const { contentType, text } = await pages.metrics();
    return { contentType, bytes: Buffer.from(text) };
  });
  return async ({ method, url = "/" }, response) => {
    const [path] = url.split("?");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("Connection", "close");
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      return send(response, 405, "GET or HEAD is expected");
    }
    if (path === "/metrics") {
      const { contentType, bytes } = await metrics();
      response.writeHead(200, { "Content-Type": contentType, "Content-Length": bytes.length }).end(bytes);
      return;
    }
    if (path === "/healthz" || path === "/readyz") {
      const { ok, text } = path === "/healthz" ? pages.healthz() : pages.readyz();
      return send(response, ok ? 200 : 503, text);
    }
    send(response, 404, "/metrics, /healthz and /readyz are here");
  };
}

function send(response: ServerResponse, status: number, text: string): void {
  const bytes = Buffer.from(`${text}\n`);
  const headers = { "Content-Type": "text/plain; charset=utf-8", "Content-Length": bytes.length };
  response.writeHead(status, headers).end(bytes);
}
