import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import type { Floor } from "./floor.js";

/** The same round trip as echo.c's, with a Node process at either end: what our language costs. */
export async function createNodeRawFloor(
  name: string,
  directory: string,
  bytes: { readonly request: number; readonly answer: number },
): Promise<Floor> {
  const path = join(directory, "echo.sock");
  const server = `let got = 0; const answer = Buffer.alloc(${bytes.answer});
    require("node:net").createServer((socket) => socket.on("data", ({ length }) => {
      if ((got += length) === ${bytes.request}) { got = 0; socket.write(answer); }
    })).listen(${JSON.stringify(path)});`;
  const child = spawn(process.execPath, ["-e", server], { stdio: ["ignore", "ignore", "inherit"] });
  const socket = await connectSoon(path);
  const request = Buffer.alloc(bytes.request);
  let missing = 0;
  let answered = () => {};
  socket.on("data", ({ length }) => {
    missing -= length;
    if (missing === 0) answered();
  });
  return {
    name,
    async run() {
      const began = performance.now();
      missing = bytes.answer;
      const done = new Promise<void>((resolve) => {
        answered = resolve;
      });
      socket.write(request);
      await done;
      return (performance.now() - began) * 1000;
    },
    close() {
      socket.destroy();
      child.kill();
    },
  };
}

async function connectSoon(path: string) {
  for (;;) {
    const socket = connect(path);
    try {
      await once(socket, "connect");
      return socket;
    } catch {
      await sleep(20);
    }
  }
}
