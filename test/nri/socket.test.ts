import { writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { adoptTrunk, connectTrunk, SocketReader, SocketTrunk } from "../../src/nri/wire/socket.js";
import type { Trunk } from "../../src/nri/wire/trunk.js";
import { listenTrunks } from "../../src/tools/runtime/runtime.js";
import { concat, pattern, utf8 } from "../support/bytes.js";
import { socketPath } from "./support/nri-pair.js";

/** Both ends of a connection over a real unix socket. */
async function pair(): Promise<[Trunk, Trunk]> {
  const path = socketPath();
  let accept: (trunk: Trunk) => void = () => {};
  const accepted = new Promise<Trunk>((resolve) => {
    accept = resolve;
  });
  const listener = await listenTrunks(path, accept);
  const near = await connectTrunk(path, 1000);
  const far = await accepted;
  onTestFinished(async () => {
    near.close();
    far.close();
    await listener.close();
  });
  return [near, far];
}

function closed(trunk: Trunk): Promise<Error | undefined> {
  return new Promise((resolve) => trunk.onClose(resolve));
}

/** Everything that arrives until the connection ends. */
async function everything(trunk: Trunk): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  trunk.onData((chunk) => chunks.push(chunk));
  await closed(trunk);
  return concat(chunks);
}

/** A server that takes a connection and does not read; gives the path and the connection. */
async function silentServer(): Promise<{ path: string; accepted: Promise<Socket> }> {
  const path = socketPath();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    (await accepted).destroy();
    server.close();
  });
  return { path, accepted };
}

describe("connectTrunk", () => {
  const asFile = (path: string) => writeFile(path, "").then(() => path);
  it.each<[string, (path: string) => string | Promise<string>, RegExp]>([
    ["no such socket", (path) => path, /no such socket; is NRI enabled/],
    ["a file that is no socket", asFile, /no process listens there; is the runtime running.*\(ECONNREFUSED\)/],
    ["an empty path", () => "", /the path of the socket is empty/],
    ["a NUL in the path", () => "/run/a\0b", /has a NUL/],
    ["a path of 108 bytes", () => `/x${"é".repeat(53)}`, /has 108 bytes; a unix socket's has at most 107/],
  ])("fails for %s with the path and the remedy", async (_, make, text) => {
    const path = await make(socketPath());
    const start = path === "" || path.includes("\0") ? "cannot connect to " : `cannot connect to ${path}: `;
    const message = expect.stringMatching(text);
    await expect(connectTrunk(path, 1000)).rejects.toMatchObject({ code: "CONNECT_FAILED", message });
    await expect(connectTrunk(path, 1000)).rejects.toThrow(start);
  });
});

it.each([9999, -1])("adoptTrunk refuses file descriptor %i, which is no open socket", (fd) => {
  const message = expect.stringMatching(
    `^cannot connect to file descriptor ${fd}: the descriptor is not an open socket: `,
  );
  expect(() => adoptTrunk(fd)).toThrow(expect.objectContaining({ code: "CONNECT_FAILED", message }));
});

describe("a socket as a trunk", () => {
  it("never reads again into the memory of a long chunk that it has given away", () => {
    const reader = new SocketReader();
    const chunks: Uint8Array[] = [];
    reader.listener = (chunk) => void chunks.push(chunk);
    for (const value of [1, 2]) {
      const memory = reader.buffer();
      memory.fill(value, 0, 40_000);
      reader.callback(40_000, memory);
    }
    expect(chunks.map((chunk) => [chunk.length, chunk[0], chunk.at(-1)])).toEqual([
      [40_000, 1, 1],
      [40_000, 2, 2],
    ]);
  });

  it("carries bytes both ways, in order", async () => {
    const [near, far] = await pair();
    const [atNear, atFar] = [everything(near), everything(far)];
    near.write([utf8("a"), pattern(3_000_000), utf8("b")]);
    near.write([utf8("c")]);
    far.write([pattern(100_000)]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // What is queued is sent before an orderly close, and nothing after it.
    near.write([pattern(2_000_000)]);
    near.close();
    near.write([utf8("after the close")]);
    expect(Buffer.compare(await atFar, concat([utf8("a"), pattern(3_000_000), utf8("bc"), pattern(2_000_000)]))).toBe(
      0,
    );
    expect(Buffer.compare(await atNear, pattern(100_000))).toBe(0);
  });

  it("tells of the peer's end without an error, of its own with the error given", async () => {
    const [near, far] = await pair();
    far.onData(() => {});
    const ends = Promise.all([closed(near), closed(far)]);
    near.close(new Error("enough"));
    expect(await ends).toEqual([new Error("enough"), undefined]);
  });

  it("closes on a peer that does not read, once too much waits for it", async () => {
    const { path } = await silentServer();
    const trunk = await connectTrunk(path, 1000);
    const end = closed(trunk);
    for (let sent = 0; sent < 12; sent++) trunk.write([new Uint8Array(4 * 1024 * 1024)]);
    const message = expect.stringMatching(/^the peer does not read from the socket: \d+ bytes wait/);
    expect(await end).toMatchObject({ code: "CONNECTION_CLOSED", message });
  });

  it("does not wait for ever for a peer that does not read, when it closes", async () => {
    const { path, accepted } = await silentServer();
    const trunk = await connectTrunk(path, 1000);
    trunk.write([new Uint8Array(4 * 1024 * 1024)]);
    trunk.close();
    const peer = await accepted;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    let arrived = 0;
    peer.on("error", () => {});
    peer.on("data", (chunk) => {
      arrived += chunk.length;
    });
    peer.resume();
    await new Promise((resolve) => peer.once("end", resolve));
    expect(arrived).toBeLessThan(4 * 1024 * 1024);
  });

  it("ends with what the peer sends, even if the peer reads nothing any more", async () => {
    const { path, accepted } = await silentServer();
    const trunk = await connectTrunk(path, 1000);
    trunk.write([new Uint8Array(4 * 1024 * 1024)]);
    (await accepted).end();
    expect(await closed(trunk)).toBeUndefined();
  });

  it("turns a broken connection into CONNECTION_CLOSED", async () => {
    const { path, accepted } = await silentServer();
    const trunk = await connectTrunk(path, 1000);
    const end = closed(trunk);
    // Closed with bytes unread, a unix socket resets its peer.
    trunk.write([utf8("unread")]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    (await accepted).destroy();
    const reset = { code: "CONNECTION_CLOSED", message: expect.stringMatching(/ECONNRESET|EPIPE/) };
    expect(await end).toMatchObject(reset);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await closed(trunk)).toMatchObject(reset);
  });

  it("reports an error after the close to nobody, and the process lives", async () => {
    const server = createServer();
    const path = socketPath();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const socket = connect(path);
    const trunk = new SocketTrunk(socket);
    trunk.close();
    socket.emit("error", new Error("EPIPE"));
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
