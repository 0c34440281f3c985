import type { Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { silentLog } from "../../src/base/logger.js";
import { PluginStub } from "../../src/nri/stub.js";
import { createRuntime } from "../../src/tools/runtime/runtime.js";
import { allEvents, socketPath } from "../nri/support/nri-pair.js";
import { hex } from "../support/bytes.js";
import { listenRaw } from "./support/raw-runtime.js";

/** A stub on a clock that its waits alone move; `registered` takes note of the time. */
function flappingStub(path: string) {
  const times: number[] = [];
  let now = 0;
  const abort = new AbortController();
  const stub = new PluginStub({
    identity: { name: "v01-bridge", index: "10" },
    socket: { kind: "path", path },
    handlers: allEvents,
    log: silentLog,
    signal: abort.signal,
    clock: () => now,
    backoff: { random: () => 0 },
    async sleep(ms) {
      now += ms;
    },
  });
  const ended = stub.run();
  onTestFinished(async () => {
    abort.abort();
    await ended;
  });
  return {
    times,
    registered() {
      times.push(now);
      if (times.length === 4) abort.abort();
    },
  };
}

/** After 2, 4 and 8 seconds. */
const longer = [0, 2_000, 6_000, 14_000];

// Registering takes a lock of the whole node, and may hold up every pod of it (containerd#14083).
it.each([
  ["closes each connection", (socket: Socket) => socket.destroy()],
  ["answers with garbage", (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ["announces a frame of 4 GB", (socket: Socket) => socket.write(hex("00000001 ffffffff"))],
  ["answers what nobody asked", (socket: Socket) => socket.end(hex("00000002 0000000a 00000000 00000063 02 00"))],
])("a runtime that %s is left alone for two seconds at least, and ever longer", async (_, behave) => {
  const path = socketPath();
  let connected = () => {};
  await listenRaw(path, (socket) => {
    connected();
    behave(socket);
  });
  const { times, registered } = flappingStub(path);
  connected = registered;
  await expect.poll(() => times, { timeout: 5_000 }).toEqual(longer);
});

it("a runtime that drops it after the handshake is left alone likewise", async () => {
  const path = socketPath();
  const runtime = await createRuntime({ socketPath: path, name: "containerd", version: "v1.7.24" });
  onTestFinished(() => runtime.close());
  const { times, registered } = flappingStub(path);
  for (const _ of longer) {
    const plugin = await runtime.accept(Deadline.after(5_000));
    registered();
    plugin.close();
  }
  expect(times).toEqual(longer);
});
