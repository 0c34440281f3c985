import type { Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { silentLog } from "../../src/logger.js";
import { createRuntime } from "../../src/nri/runtime.js";
import { PluginStub } from "../../src/nri/stub.js";
import { allEvents, socketPath } from "../nri/support/nri-pair.js";
import { hex } from "../support/bytes.js";
import { listenRaw } from "./support/raw-runtime.js";

/** How long a stub waits before each further connection, on a clock that its waits alone move. */
function flappingStub(path: string): number[] {
  const delays: number[] = [];
  const time = { now: 0 };
  const abort = new AbortController();
  const stub = new PluginStub({
    identity: { name: "v01-bridge", index: "10" },
    socket: { kind: "path", path },
    handlers: allEvents,
    log: silentLog,
    signal: abort.signal,
    clock: () => time.now,
    backoff: { random: () => 0 },
    async sleep(ms) {
      delays.push(ms);
      time.now += ms;
      if (delays.length === 3) abort.abort();
    },
  });
  const ended = stub.run();
  onTestFinished(async () => {
    abort.abort();
    await ended;
  });
  return delays;
}

const longer = [2_000, 4_000, 8_000];

// Registering takes a lock of the whole node, and may hold up every pod of it (containerd#14083).
it.each([
  ["closes each connection", (socket: Socket) => socket.destroy()],
  ["answers with garbage", (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["announces a frame of 4 GB", (socket: Socket) => socket.write(hex("00000001 ffffffff"))],
  ["answers what nobody asked", (socket: Socket) => socket.end(hex("00000002 0000000a 00000000 00000063 02 00"))],
])("a runtime that %s is left alone for two seconds at least, and ever longer", async (_, behave) => {
  const path = socketPath();
  const times = await listenRaw(path, behave);
  const delays = flappingStub(path);
  await expect.poll(() => delays).toEqual(longer);
  expect(times).toHaveLength(3);
});

it("a runtime that drops it after the handshake is left alone likewise", async () => {
  const path = socketPath();
  const runtime = await createRuntime({ socketPath: path, name: "containerd", version: "v1.7.24" });
  onTestFinished(() => runtime.close());
  const delays = flappingStub(path);
  for (let time = 0; time < longer.length; time++) {
    const plugin = await runtime.accept(Deadline.after(5_000));
    plugin.close();
  }
  await expect.poll(() => delays).toEqual(longer);
});
