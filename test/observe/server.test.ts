import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serveMetrics } from "../../src/observe/metrics-server.js";
import { getPage } from "./scrape.js";

let renders: number;
let port: number;

beforeEach(() => start());

async function start(timeoutMs?: number): Promise<void> {
  renders = 0;
  const server = await serveMetrics(
    { kind: "tcp", host: "127.0.0.1", port: 0 },
    {
      // As large as a real one: what nobody reads does not fit into the system's buffers for ever.
      metrics: async () => ({
        contentType: "text/plain; version=0.0.4",
        text: `n ${++renders}\n`.padEnd(65_536),
      }),
      healthz: () => ({ ok: true, text: "ok" }),
      readyz: () => ({ ok: false, text: "not registered" }),
    },
    timeoutMs,
  );
  port = server.address.kind === "tcp" ? server.address.port : 0;
  onTestFinished(() => server.close());
}

/** A connection that does only what it is told; errors are a way to end it. */
async function open(first = ""): Promise<{ socket: Socket; text: () => string; closed: Promise<void> }> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  socket.setEncoding("latin1").on("data", (more: string) => {
    text += more;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((done) => socket.once("close", () => done()));
  await new Promise<void>((done) => socket.once("connect", done));
  if (first !== "") socket.write(first);
  return { socket, text: () => text, closed };
}

/** What comes back for these bytes, until the connection is closed. */
async function exchange(...parts: string[]): Promise<string> {
  const { socket, text, closed } = await open();
  for (const part of parts) {
    socket.write(part);
    if (parts.length > 1) await sleep(2);
  }
  await closed;
  return text();
}

const health = async () => (await getPage({ host: "127.0.0.1", port, timeout: 2_000 }, "/healthz")).status;

describe("the server of metrics", () => {
  it.each([
    ["a GET", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, "ok\n"],
    ["a GET of HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", 200, "ok\n"],
    ["a query, behind an empty line", "\r\nGET /healthz?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 200, "ok\n"],
    ["a HEAD", "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""],
    ["a page that says no", "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 503, "not registered\n"],
    ["an unknown page", "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", 404, "/metrics, /healthz and /readyz are here\n"],
    [
      "a POST with a body",
      "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
      405,
      "GET or HEAD is expected\n",
    ],
    ["what is no HTTP", "\x16\x03\x01 hello\r\n\r\n", 400, ""],
    ["a head without end", `GET / HTTP/1.1\r\nA: ${"a".repeat(20_000)}`, 431, ""],
  ])("answers %s", async (_, bytes, status, body) => {
    const text = await exchange(bytes);
    const [head = "", sent = ""] = text.split("\r\n\r\n");
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toContain("Connection: close");
    if (body !== "") expect(head).toContain(`Content-Length: ${body.length}`);
    expect(sent).toBe(body);
  });

  it("takes a request in any pieces, and from one who closes its side after it", async () => {
    const request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    expect(await exchange(...request)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const { socket, text, closed } = await open();
    socket.end(request);
    await closed;
    expect(text()).toMatch(/\r\n\r\nok\n$/);
  });

  it("does the work of one request at most for many in one write", async () => {
    await exchange("GET /metrics HTTP/1.1\r\nHost:x\r\n\r\n".repeat(1_985));
    expect(renders).toBeLessThanOrEqual(1);
    expect(await health()).toBe(200);
  });

  const behaviours = [
    ["say nothing", ""],
    ["do not end their request", "GET /healthz HTTP/1.1\r\nHost: x\r\n"],
    ["never send the body", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"],
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
