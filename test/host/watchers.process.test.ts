import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { createNodeHost } from "../../src/host/host.js";
import { openNative } from "../../src/host/native.js";
import { createProcessWatcher, type ProcessWatcher } from "../../src/host/process-watcher.js";
import { withoutDescriptors } from "./no-descriptors.js";

const host = createNodeHost();
const native = openNative();
const intervalMs = 10;
const severalLooks = () => sleep(10 * intervalMs);
const openFiles = () => readdirSync("/proc/self/fd").length;

function closedAtEnd(watcher: ProcessWatcher): ProcessWatcher {
  onTestFinished(() => watcher.close());
  return watcher;
}

function sleeper() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, identity: host.identify(child.pid ?? 0) };
}

describe.each([
  ["by pidfd", () => createProcessWatcher(native)],
  ["by looks", () => createProcessWatcher(undefined, "/proc", intervalMs)],
])("the watcher of processes %s", (_, create) => {
  it("tells of the end of each process, once", async () => {
    const watcher = closedAtEnd(create());
    const sleepers = Array.from({ length: 20 }, sleeper);
    const ends: number[] = [];
    for (const { identity } of sleepers) watcher.watch(identity, () => ends.push(identity.pid));
    await severalLooks();
    expect({ ends, size: watcher.size }).toEqual({ ends: [], size: 20 });
    for (const { child } of sleepers) child.kill("SIGKILL");
    await expect.poll(() => ends.length, { timeout: 5_000 }).toBe(20);
    await severalLooks();
    expect(ends.toSorted()).toEqual(sleepers.map(({ identity }) => identity.pid).toSorted());
    expect(watcher.size).toBe(0);
  });

  it("tells of one that is gone already, and of a pid that is another's by now, but not within the call", async () => {
    const watcher = closedAtEnd(create());
    const { child, identity } = sleeper();
    child.kill("SIGKILL");
    await once(child, "exit");
    const ends: string[] = [];
    watcher.watch({ ...host.identify(process.pid), startTime: "1" }, () => ends.push("used again"));
    watcher.watch(identity, () => ends.push("gone"));
    watcher.watch(identity, () => ends.push("stopped"))();
    expect(ends).toEqual([]);
    await severalLooks();
    expect({ ends, size: watcher.size }).toEqual({ ends: ["used again", "gone"], size: 0 });
  });

  it("watches nothing that it cannot tell apart, stops when told, and leaves no file open", async () => {
    const watcher = closedAtEnd(create());
    const { child, identity } = sleeper();
    const before = openFiles();
    const ends: string[] = [];
    watcher.watch({ ...identity, startTime: undefined }, () => ends.push("no start time"));
    watcher.watch({ ...identity, pid: 0 }, () => ends.push("no pid"));
    const stop = watcher.watch(identity, () => ends.push("stopped"));
    stop();
    stop();
    child.kill("SIGKILL");
    await once(child, "exit");
    await severalLooks();
    expect({ ends, size: watcher.size, files: openFiles() }).toEqual({ ends: [], size: 0, files: before });
  });

  it("one that another's end stops is not told of", async () => {
    const watcher = closedAtEnd(create());
    const sleepers = [sleeper(), sleeper()];
    let ends = 0;
    const stops = sleepers.map(({ identity }) =>
      watcher.watch(identity, () => {
        ends++;
        for (const stop of stops) stop();
      }),
    );
    for (const { child } of sleepers) child.kill("SIGKILL");
    await severalLooks();
    expect({ ends, size: watcher.size }).toEqual({ ends: 1, size: 0 });
  });
});

/** A descriptor from before they were used up. */
let spare: number | undefined;

it.each([
  ["a pidfd", native.libc.pidfdOpen],
  // Another thread took the last one in between.
  [
    "its stat",
    () => {
      const descriptor = spare ?? -1;
      spare = undefined;
      return descriptor;
    },
  ],
])("misses no end of a process that there was no descriptor for, for %s", async (_, pidfdOpen) => {
  const short = { ...native, libc: { ...native.libc, pidfdOpen } };
  const watcher = closedAtEnd(createProcessWatcher(short, "/proc", intervalMs));
  const { child, identity } = sleeper();
  let ends = 0;
  spare = openSync("/dev/null", "r");
  withoutDescriptors(() => watcher.watch(identity, () => ends++));
  if (spare !== undefined) closeSync(spare);
  expect(watcher.size).toBe(1);
  await severalLooks();
  expect(ends).toBe(0);
  child.kill("SIGKILL");
  await expect.poll(() => ends, { timeout: 5_000 }).toBe(1);
  expect(watcher.size).toBe(0);
});
