import { closeSync, readdirSync, readSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { EventPoll } from "../../src/host/event-poll.js";
import { openNative } from "../../src/host/native.js";

const { koffi, libc } = openNative();

function createEvents(): EventPoll {
  const events = new EventPoll(koffi, libc);
  onTestFinished(() => events.close());
  return events;
}

function createPipe(): { readonly read: number; readonly write: number } {
  const pair = new Int32Array(2);
  expect(libc.pipe2(pair, 0o2000000)).toBe(0);
  const [read = -1, write = -1] = pair;
  onTestFinished(() => {
    closeSync(read);
    closeSync(write);
  });
  return { read, write };
}

describe("EventPoll", () => {
  it("tells of each of many, and promises go on in that turn", async () => {
    const events = createEvents();
    const pipes = Array.from({ length: 200 }, createPipe);
    const seen = new Set<number>();
    const all = new Promise<void>((resolve) => {
      for (const { read } of pipes) {
        const stop = events.watch(read, () => {
          stop?.();
          seen.add(read);
          if (seen.size === pipes.length) resolve();
        });
      }
    });
    for (const { write } of pipes) writeSync(write, "x");
    await all;
    expect(seen.size).toBe(200);
  });

  it("tells again while there is something to read, and no more after its stop", async () => {
    const { read, write } = createPipe();
    let told = 0;
    const stop = createEvents().watch(read, () => {
      told++;
      readSync(read, Buffer.alloc(1));
    });
    writeSync(write, "abc");
    await sleep(50);
    expect(told).toBe(3);
    stop?.();
    stop?.();
    writeSync(write, "d");
    await sleep(20);
    expect(told).toBe(3);
  });

  it("does not watch what cannot be watched", () => {
    expect(createEvents().watch(9_999, () => {})).toBeUndefined();
  });

  it("gives its descriptor back, and is quiet after its end", async () => {
    const { read, write } = createPipe();
    const before = readdirSync("/proc/self/fd").length;
    const events = new EventPoll(koffi, libc);
    let told = 0;
    const stop = events.watch(read, () => told++);
    events.hold();
    writeSync(write, "x");
    events.close();
    events.close();
    events.letGo();
    stop?.();
    await sleep(20);
    expect(told).toBe(0);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});
