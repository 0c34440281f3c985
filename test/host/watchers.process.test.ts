import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { openNative } from "../../src/host/native.js";
import { identifyProcess, readMachine } from "../../src/host/proc.js";
import {
  createPidfdWatcher,
  createPollingWatcher,
  idleWatcher,
  type PidfdWatcherOptions,
  type ProcessWatcher,
} from "../../src/host/process-watcher.js";
import { FakeProc } from "./fake-proc.js";
import { withoutDescriptors } from "./no-descriptors.js";

const machine = readMachine("/proc");
const native = openNative();
const intervalMs = 10;
const severalLooks = () => sleep(10 * intervalMs);
const openFiles = () => readdirSync("/proc/self/fd").length;

function closedAtEnd(watcher: ProcessWatcher): ProcessWatcher {
  onTestFinished(() => watcher.close());
  return watcher;
}
const createWatcher = (options?: PidfdWatcherOptions, opened = native) =>
  closedAtEnd(createPidfdWatcher(opened, options));

function sleeper() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, identity: identifyProcess(child.pid ?? 0, machine) };
}

describe.each([
  ["by pidfd", () => createPidfdWatcher(native)],
  ["by looks", () => createPollingWatcher({ intervalMs })],
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
    watcher.watch({ ...identifyProcess(process.pid, machine), startTime: "1" }, () => ends.push("used again"));
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
});

describe("the watcher by pidfd", () => {
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

describe("the watcher by looks", () => {
  it("stays with the process when another gets its pid", async () => {
    const proc = new FakeProc();
    proc.add({ pid: 10, startTime: "100" });
    let ends = 0;
    const own = createPollingWatcher({ procRoot: proc.root, intervalMs });
    own.watch({ ...identifyProcess(10, readMachine(proc.root)), startTime: "100" }, () => ends++);
    // An open file of the real /proc fails then; here it shows a zombie.
    proc.add({ pid: 10, startTime: "100", state: "Z" });
    await severalLooks();
    own.close();
    proc.remove();
    expect(ends).toBe(1);
  });

  it("watches those that there was no descriptor for when there is one again, and says so once", async () => {
    const errors: string[] = [];
    const own = createPollingWatcher({ intervalMs, onUnreadable: (reason) => errors.push(reason) });
    const before = openFiles();
    const [ends, stays, goes, stopped] = [sleeper(), sleeper(), sleeper(), sleeper()];
    const ended: string[] = [];
    const files = openFiles();
    const stops = withoutDescriptors(() =>
      Object.entries({ ends, stays, goes, stopped }).map(([name, { identity }]) =>
        own.watch(identity, () => ended.push(name)),
      ),
    );
    expect(files).toBe(before);
    expect({ size: own.size, open: openFiles() - files }).toEqual({ size: 4, open: 0 });
    expect(errors).toEqual([expect.stringContaining("EMFILE")]);
    stops[3]?.();
    goes.child.kill("SIGKILL");
    await once(goes.child, "exit");
    await expect.poll(() => ended, { timeout: 5_000 }).toEqual(["goes"]);
    await expect.poll(() => openFiles() - files).toBe(2);
    ends.child.kill("SIGKILL");
    await expect.poll(() => ended, { timeout: 5_000 }).toEqual(["goes", "ends"]);
    own.close();
    expect({ size: own.size, open: openFiles() - files }).toEqual({ size: 0, open: 0 });
  });
});

/** A descriptor from before they were used up, for who closes it. */
let spareDescriptor: number | undefined;
function spare(): number {
  const descriptor = spareDescriptor ?? -1;
  spareDescriptor = undefined;
  return descriptor;
}
