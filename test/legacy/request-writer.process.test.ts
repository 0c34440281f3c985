import { closeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";

import { openNative } from "../../src/ffi/native.js";
import { RequestWriter } from "../../src/legacy/request-writer.js";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;

/** Reads from each descriptor that it is given, closes it when it has some, and says how much that was. No fs opened it. */
const reader = `
  const { parentPort } = require("node:worker_threads");
  const { readSync, closeSync } = require("node:fs");
  const buffer = Buffer.alloc(1 << 17);
  parentPort.on("message", ({ descriptor, wanted }) => {
    let read = 0;
    while (read < wanted) {
      try { read += readSync(descriptor, buffer); } catch (error) { if (error.code !== "EAGAIN") throw error; }
    }
    closeSync(descriptor);
    parentPort.postMessage(read);
  });
  parentPort.postMessage("ready");
`;

function openPipe() {
  const { libc } = openNative();
  const pair = new Int32Array(2);
  expect(libc.pipe2(pair, closeOnExec | nonBlocking)).toBe(0);
  const [read = -1, write = -1] = pair;
  return { read, write };
}

it("a pipe without a reader takes nothing", () => {
  const { read, write } = openPipe();
  closeSync(read);
  const writer = new RequestWriter(write);
  expect(writer.send(Buffer.from("request"))).toBe(false);
  writer.close();
});

it("a request that was read in part is never one that nobody has seen", async () => {
  const worker = new Worker(reader, { eval: true, trackUnmanagedFds: false });
  const told = () => new Promise<unknown>((resolve) => worker.once("message", resolve));
  await told();
  const request = Buffer.alloc(1 << 20, "x");
  for (let n = 0; n < 400; n++) {
    const { read, write } = openPipe();
    const writer = new RequestWriter(write);
    const answer = told();
    worker.postMessage({ descriptor: read, wanted: 1 });
    // From a moment in which the other thread has come to its loop, or nearly.
    for (const until = performance.now() + 0.3 * Math.random(); performance.now() < until; );
    expect(writer.send(request)).toBe(true);
    await answer;
    writer.close();
  }
  await worker.terminate();
}, 30_000);
