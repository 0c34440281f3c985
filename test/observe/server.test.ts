import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serveMetrics } from "../../src/observe/metrics-server.js";
import { getPage } from "./scrape.js";

let port: number;

beforeEach(() => start());

async function start(timeoutMs?: number): Promise<void> {
  const server = await serveMetrics(
    "localhost:0",
    {
      // As large as a real one: what is not read does not fit into the system's buffers for ever.
      metrics: async () => ({ contentType: "text/plain; version=0.0.4", text: "n 1\n".padEnd(65_536) }),
      readyz: () => ({ ok: false, text: "not registered" }),
    },
    timeoutMs,
  );
  port = typeof server.address === "object" ? (server.address?.port ?? 0) : 0;
  onTestFinished(() => server.close());
}

/** A connection that does only what it is told; errors are a way to end it. */
async function open(first: string): Promise<{ socket: Socket; closed: Promise<void> }> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("data", () => {}).on("error", () => {});
  const closed = new Promise<void>((done) => socket.once("close", () => done()));
  await new Promise<void>((done) => socket.once("connect", done));
  if (first !== "") socket.write(first);
  return { socket, closed };
}

const get = (path: string, method?: string) => getPage({ host: "127.0.0.1", port, timeout: 2_000 }, path, method);
const health = async () => (await get("/healthz")).status;

describe("the server of metrics", () => {
  it.each([
    ["GET", "/healthz", 200, "ok\n"],
    ["GET", "/healthz?a=b", 200, "ok\n"],
    ["HEAD", "/healthz", 200, ""],
    ["GET", "/readyz", 503, "not registered\n"],
    ["GET", "/other", 404, "/metrics, /healthz and /readyz are here\n"],
  ])("answers %s %s with %i", async (method, path, status, text) => {
    expect(await get(path, method)).toMatchObject({ status, text, headers: { connection: "close" } });
  });

  const behaviours = [
    ["say nothing", ""],
    ["do not end their request", "GET /healthz HTTP/1.1\r\nHost: x\r\n"],
    ["never read their answers", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400)],
  ] as const;

  it.each(behaviours)("closes connections that %s, and then answers a probe", async (_, bytes) => {
    await start(300);
    const others = await Promise.all(Array.from({ length: 40 }, () => open(bytes)));
    if (bytes.length > 1_000) for (const { socket } of others) socket.pause();
    await expect.poll(() => health().catch(() => undefined), { timeout: 4_000 }).toBe(200);
    // They see it when they look: a paused one does not.
    for (const { socket } of others) socket.resume();
    const ends = Promise.all(others.map(({ closed }) => closed));
    expect(await Promise.race([ends.then(() => "closed"), sleep(4_000, "open", { ref: false })])).toBe("closed");
  });
});
