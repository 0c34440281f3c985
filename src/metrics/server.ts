import { createServer, type Socket } from "node:net";
import type { MetricsAddress } from "./address.js";
import type { Health } from "./health.js";
import { listenOn } from "./listen.js";
import { type Answer, answerOne, textResponse } from "./one-request.js";
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

/** Scrapers and probes are few, and done in milliseconds. */
const maxConnections = 64;

/** Serves /metrics, /healthz and /readyz. @throws the system's error when the address cannot be listened on */
export async function serveMetrics(address: MetricsAddress, pages: MetricsPages): Promise<MetricsServer> {
  const answer = answerFrom(pages);
  /** The oldest first. */
  const open = new Set<Socket>();
  // Half open: who has sent a request may close its side before the answer.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    answerOne(socket, answer);
    // The new one may be a probe, and the oldest had its time: connections that say nothing shut nobody out.
    const [oldest] = open;
    if (open.size > maxConnections) oldest?.destroy();
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
        for (const socket of open) socket.destroy();
      }),
  };
}

function answerFrom(pages: MetricsPages): Answer {
  // The bytes too: connections that do not read hold the same ones.
  const metrics = shareWork(async () => {
    const { contentType, text } = await pages.metrics();
    return { status: 200, contentType, body: Buffer.from(text) } as const;
  });
  const health = ({ ok, text }: Health) => textResponse(ok ? 200 : 503, text);
  return async ({ method, path }) => {
    if (method !== "GET" && method !== "HEAD") return textResponse(405, "GET or HEAD is expected");
    if (path === "/metrics") return metrics();
    if (path === "/healthz") return health(pages.healthz());
    if (path === "/readyz") return health(pages.readyz());
    return textResponse(404, "/metrics, /healthz and /readyz are here");
  };
}
