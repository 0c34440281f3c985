import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { createPidfdWatcher, type PidfdWatcherOptions } from "../../src/host/pidfd-watcher.js";
import { identifyProcess, readMachine } from "../../src/host/proc.js";
import { createPollingWatcher, idleWatcher } from "../../src/host/process-watcher.js";
import { withoutDescriptors } from "./no-descriptors.js";

const machine = readMachine("/proc");
const native = openNative();

function createWatcher(options?: PidfdWatcherOptions, opened = native) {
  const watcher = createPidfdWatcher(opened, options);
  onTestFinished(() => watcher.close());
  return watcher;
}

function sleeper() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, identity: identifyProcess(child.pid ?? 0, machine) };
}

describe("the watcher by pidfd", () => {
  it("tells of the end of each process at once, and once", async () => {
    const watcher = createWatcher();
    const sleepers = Array.from({ length: 20 }, sleeper);
    const ends: number[] = [];
    for (const { identity } of sleepers) watcher.watch(identity, () => ends.push(identity.pid));
    await sleep(100);
    expect({ ends, size: watcher.size }).toEqual({ ends: [], size: 20 });
    for (const { child } of sleepers) child.kill("SIGKILL");
    await Promise.all(sleepers.map(({ child }) => once(child, "exit")));
    await expect.poll(() => ends.length).toBe(sleepers.length);
    expect(ends.sort()).toEqual(sleepers.map(({ identity }) => identity.pid).sort());
    expect(watcher.size).toBe(0);
  });

  it("tells of one that is gone already, and of a pid that is another's by now, but not within the call", async () => {
    const watcher = createWatcher();
    const { child, identity } = sleeper();
    child.kill("SIGKILL");
    await once(child, "exit");
    const ends: string[] = [];
    watcher.watch({ ...identifyProcess(process.pid, machine), startTime: "1" }, () => ends.push("used again"));
    watcher.watch(identity, () => ends.push("gone"));
    const stop = watcher.watch(identity, () => ends.push("stopped"));
    stop();
    expect(ends).toEqual([]);
    await sleep(10);
    expect({ ends, size: watcher.size }).toEqual({ ends: ["used again", "gone"], size: 0 });
  });

  it("watches nobody without a start time, and says nothing of those that are stopped", async () => {
    const watcher = createWatcher();
    const open = readdirSync("/proc/self/fd").length;
    const { child, identity } = sleeper();
    const ends: string[] = [];
    watcher.watch({ ...identity, startTime: undefined }, () => ends.push("no start time"));
    watcher.watch({ ...identity, pid: 0 }, () => ends.push("no pid"));
    const stop = watcher.watch(identity, () => ends.push("stopped"));
    stop();
    stop();
    child.kill("SIGKILL");
    await once(child, "exit");
    await sleep(20);
    expect(ends).toEqual([]);
    expect(readdirSync("/proc/self/fd").length).toBe(open);
  });

  it("hands on to the poller those that the system gives no pidfd for", () => {
    const handed: number[] = [];
    const fallback = {
      ...idleWatcher,
      watch: ({ pid }: { pid: number }) => {
        handed.push(pid);
        return () => {};
      },
    };
    const full = { ...native, libc: { ...native.libc, pidfdOpen: () => -1, lastError: () => "EMFILE" } };
    const { identity } = sleeper();
    createWatcher({ fallback }, full).watch(identity, () => {});
    expect(handed).toEqual([identity.pid]);
  });

  it("tells of one that it has no descriptor for, also when the poller is its own", () => {
    const errors: string[] = [];
    const watcher = createWatcher({ onUnreadable: (reason) => errors.push(reason) });
    const { identity } = sleeper();
    withoutDescriptors(() => watcher.watch(identity, () => {}));
    expect({ size: watcher.size, errors }).toEqual({ size: 1, errors: [expect.stringContaining("EMFILE")] });
  });

  it.each([
    ["a pidfd", native],
    // Somebody else took the last one in between.
    ["its stat", { ...native, libc: { ...native.libc, pidfdOpen: () => spare() } }],
  ])("misses no end of one that there was no descriptor for, for %s", async (_, opened) => {
    const errors: string[] = [];
    const fallback = createPollingWatcher({ intervalMs: 10, onUnreadable: (reason) => errors.push(reason) });
    const watcher = createWatcher({ fallback }, opened);
    const { child, identity } = sleeper();
    let ends = 0;
    spareDescriptor = openSync("/dev/null", "r");
    withoutDescriptors(() => watcher.watch(identity, () => ends++));
    if (spareDescriptor !== undefined) closeSync(spareDescriptor);
    expect({ size: watcher.size, errors }).toEqual({ size: 1, errors: [expect.stringContaining("EMFILE")] });
    // The poller has looked for it several times.
    await sleep(200);
    expect(ends).toBe(0);
    child.kill("SIGKILL");
    await expect.poll(() => ends, { timeout: 5_000 }).toBe(1);
    expect(watcher.size).toBe(0);
  });
});

/** A descriptor from before they were used up, for who closes it. */
let spareDescriptor: number | undefined;
function spare(): number {
  const descriptor = spareDescriptor ?? -1;
  spareDescriptor = undefined;
  return descriptor;
}
