import { closeSync, readSync, writeSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";

import type { AnonymousPipe } from "../../src/legacy/anonymous-pipe.js";
import { createPipes } from "../../src/legacy/pipe-source.js";

async function createPipe(): Promise<AnonymousPipe> {
  const [pipe, ...others] = await createPipes();
  if (pipe === undefined) throw new Error("no pipe");
  for (const other of others) other.close();
  onTestFinished(() => pipe.close());
  return pipe;
}

function drain(pipe: AnonymousPipe): [text: string, state: string] {
  const chunks: Uint8Array[] = [];
  const state = pipe.drain((chunk) => chunks.push(chunk));
  return [Buffer.concat(chunks).toString(), state];
}

describe("AnonymousPipe", () => {
  it("is empty and has no writer at first", async () => {
    expect(drain(await createPipe())).toEqual(["", "ended"]);
  });

  it("is held as long as there is a writer", async () => {
    const pipe = await createPipe();
    const writer = pipe.openPluginEnd("write");
    writeSync(writer, "x".repeat(5000));
    expect(drain(pipe)).toEqual(["x".repeat(5000), "held"]);
    writeSync(writer, "rest");
    closeSync(writer);
    expect(drain(pipe)).toEqual(["rest", "ended"]);
  });

  it("opens ends that block and ends that do not, of one pipe", async () => {
    const pipe = await createPipe();
    const [writer, reader] = [pipe.openOwnEnd("write"), pipe.openOwnEnd("read")];
    expect(() => readSync(reader, Buffer.alloc(1))).toThrow("EAGAIN");
    closeSync(reader);
    expect(() => {
      for (;;) writeSync(writer, Buffer.alloc(65_536));
    }).toThrow("EAGAIN");
    closeSync(writer);
    expect(drain(pipe)[1]).toBe("ended");
  });

  it("tells whether somebody else reads, and is usable after that", async () => {
    const pipe = await createPipe();
    const reader = pipe.openPluginEnd("read");
    expect(pipe.hasForeignReader()).toBe(true);
    closeSync(reader);
    drain(pipe);
    expect(pipe.hasForeignReader()).toBe(false);
    const writer = pipe.openPluginEnd("write");
    writeSync(writer, "again");
    closeSync(writer);
    expect(drain(pipe)).toEqual(["again", "ended"]);
  });

  it("does not wait for a writer that fills it faster than it is read", async () => {
    const pipe = await createPipe();
    const writer = pipe.openOwnEnd("write");
    const refill = () => {
      try {
        writeSync(writer, Buffer.alloc(65_536));
      } catch {
        // Full.
      }
    };
    refill();
    expect(pipe.drain(refill)).toBe("held");
    closeSync(writer);
  });

  it("can be closed twice", async () => {
    const pipe = await createPipe();
    pipe.close();
    pipe.close();
  });
});
