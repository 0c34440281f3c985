import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { descriptorOf, peerPid } from "../../src/host/socket-peer.js";
import { createDirectory } from "../plugin/plugin-directory.js";

describe("peerPid", () => {
  const { libc } = openNative();
  const connected = (path: string) =>
    new Promise<Socket>((resolve, reject) => {
      const socket = connect(path, () => resolve(socket)).once("error", reject);
      onTestFinished(() => void socket.destroy());
    });

  it("is the process that listens", async () => {
    const path = join(createDirectory(), "socket");
    const script = `require("node:net").createServer(() => {}).listen(${JSON.stringify(path)}, () => console.log("up"))`;
    const server = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void server.kill("SIGKILL"));
    await new Promise((resolve) => server.stdout.once("data", resolve));
    const socket = await connected(path);
    expect(peerPid(libc, descriptorOf(socket) ?? -1)).toBe(server.pid);
  });

  it("is nobody for what is no unix socket, and for a closed one", async () => {
    const file = openSync("/dev/null", "r");
    onTestFinished(() => closeSync(file));
    expect(peerPid(libc, file)).toBeUndefined();
    expect(peerPid(libc, -1)).toBeUndefined();
    const path = join(createDirectory(), "socket");
    const server = createServer().listen(path);
    onTestFinished(() => void server.close());
    const socket = await connected(path);
    expect(peerPid(libc, descriptorOf(socket) ?? -1)).toBe(process.pid);
    socket.destroy();
    expect(descriptorOf(socket)).toBeUndefined();
  });
});
