import type { Socket } from "node:net";
import { expect, it } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { until } from "../legacy/processes.js";
import { hex } from "../support/bytes.js";
import { listenRaw } from "./support/raw-runtime.js";
import { TestNode } from "./support/test-node.js";

const behaviours = {
  "closes each connection": (socket: Socket) => socket.destroy(),
  "answers with garbage": (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
  "announces a frame of 4 GB": (socket: Socket) => socket.write(hex("00000001 ffffffff")),
  "answers what nobody asked": (socket: Socket) => socket.end(hex("00000002 0000000a 00000000 00000063 02 00")),
} as const;

// Registering takes a lock of the whole node, and may hold up every pod of it (containerd#14083).
it("a bridge that is dropped again and again waits for two seconds at least, and ever longer", async () => {
  const rows = Object.entries(behaviours).map(async ([title, behave]) => {
    const node = new TestNode();
    const times = await listenRaw(node.socketPath, behave);
    const program = node.start();
    await until(() => times.length === 3, 14_000);
    return { title, times, ended: program.child.exitCode };
  });
  rows.push(
    (async () => {
      const node = new TestNode();
      const runtime = await node.listen();
      const program = node.start();
      const times: number[] = [];
      while (times.length < 3) {
        const plugin = await runtime.accept(Deadline.after(14_000));
        times.push(performance.now());
        plugin.close();
      }
      return { title: "drops it after the handshake", times, ended: program.child.exitCode };
    })(),
  );
  for (const { title, times, ended } of await Promise.all(rows)) {
    const [first = 0, second = 0, third = 0] = times;
    expect(second - first, title).toBeGreaterThan(1_900);
    expect(third - second, title).toBeGreaterThan(3_800);
    expect(ended, title).toBeNull();
  }
});
