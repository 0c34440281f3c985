import { readdirSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Libc, openNative } from "../../src/host/native.js";
import { children } from "./processes.js";
import { ffiStarter, sh } from "./spawners.js";

const native = openNative();
const held = () => ({
  descriptors: readdirSync("/proc/self/fd").length,
  children: children(process.pid).length,
});

/** A spawner on the real C library, of which some calls fail. */
async function spawnerWith(faults: Partial<Libc>) {
  const libc = { ...native.libc };
  const spawner = ffiStarter({}, { ...native, libc });
  onTestFinished(() => spawner.close());
  // The pipes of the next run are there.
  await sh(spawner, "exit 0");
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = held();
  Object.assign(libc, faults);
  return {
    spawner,
    async expectNothingLeft() {
      Object.assign(libc, native.libc);
      // Again with pipes made ahead, as before.
      expect(await sh(spawner, "exit 0")).toMatchObject({ exitCode: 0 });
      await expect.poll(held).toEqual(before);
    },
  };
}

type CallArguments = readonly (number | string | null | NodeJS.ArrayBufferView | readonly (string | null)[])[];

let pipes = 0;
/** ENOMEM, as the C library returns it. */
const noMemory = () => 12;

describe("a start that the system refuses is a start error, and leaves nothing behind", () => {
  it.each<[string, Partial<Libc>, string]>([
    ["each pipe", { pipe2: () => -1 }, "E"],
    [
      "the second pipe",
      { pipe2: (...args: CallArguments) => (++pipes % 3 === 2 ? -1 : native.libc.pipe2(...args)) },
      "E",
    ],
    ["posix_spawn", { spawn: noMemory }, "ENOMEM"],
    ["the file actions", { initActions: noMemory }, "ENOMEM"],
    ["its stdio", { addDup2: noMemory }, "ENOMEM"],
    ["its working directory", { addChdir: noMemory }, "ENOMEM"],
  ])("%s", async (_, faults, code) => {
    const { spawner, expectNothingLeft } = await spawnerWith(faults);
    // The first has pipes that were made ahead.
    const runs = [];
    for (let n = 0; n < 4; n++) runs.push(await sh(spawner, "exit 0"));
    const last = runs.at(-1);
    expect(last?.started).toBe(false);
    expect(last?.startError?.code).toContain(code);
    await expectNothingLeft();
  });
});

describe("a process that the system does not help us to watch", () => {
  it.each<[string, Partial<Libc>]>([
    ["pidfds", { pidfdOpen: () => -1 }],
    ["epoll", { epollControl: () => -1 }],
  ])("without %s ends all the same", async (_, faults) => {
    const { spawner, expectNothingLeft } = await spawnerWith(faults);
    const result = await sh(spawner, "read -r x; echo $x; exit 3", { stdin: "hello\n" });
    expect(result).toMatchObject({ exitCode: 3, text: "hello\n", leftGroup: null });
    expect(result.durationMs).toBeLessThan(5_000);
    await expectNothingLeft();
  });

  it("that another library has reaped leaves nothing", async () => {
    const reaped = (...args: CallArguments) => {
      const pid = native.libc.waitpid(...args);
      return pid > 0 ? -1 : pid;
    };
    const { spawner } = await spawnerWith({ waitpid: reaped });
    expect(await sh(spawner, "exit 0")).toMatchObject({ exitCode: null, signal: null, leftGroup: null });
  });
});
