import { closeSync } from "node:fs";
import { expect, it } from "vitest";

import { openNative } from "../../src/host/native.js";
import { RequestWriter } from "../../src/plugin/pipes.js";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
/** More than a pipe takes. */
const length = 1 << 20;

function openPipe() {
  const { libc } = openNative();
  const pair = new Int32Array(2);
  expect(libc.pipe2(pair, closeOnExec | nonBlocking)).toBe(0);
  const [read = -1, write = -1] = pair;
  return { read, write };
}

/** A request, and something that happens when its writer looks for the n-th time how long it is: before its n-th write. */
function requestWith(n: number, happens: () => void): Uint8Array {
  const request = Buffer.alloc(length, "x");
  let looks = 0;
  const look = () => {
    looks += 1;
    if (looks === n) happens();
    return length;
  };
  return Object.defineProperty(request, "length", { get: look });
}

it.each([
  ["before it is written takes nothing", 1, false],
  ["when a part of it is written may have seen it", 2, true],
])("a reader that closes the pipe of a request %s", (_, n, sent) => {
  const { read, write } = openPipe();
  const writer = new RequestWriter(write);
  let closed = false;
  const request = requestWith(n, () => {
    closeSync(read);
    closed = true;
  });
  expect(writer.send(request)).toBe(sent);
  expect(closed).toBe(true);
  writer.close();
  expect(writer.send(request)).toBe(false);
});
