import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { identifyProcess, readMachine } from "../../src/host/proc.js";
import type { ProcessWatcher } from "../../src/host/process-watcher.js";
import { createPollingWatcher } from "../../src/host/process-watcher.js";
import { FakeProc } from "./fake-proc.js";
import { withoutDescriptors } from "./no-descriptors.js";

const machine = readMachine("/proc");
const openFiles = () => readdirSync("/proc/self/fd").length;

describe("the watcher of processes", () => {
  const intervalMs = 10;
  const severalLooks = () => sleep(10 * intervalMs);
  let watcher: ProcessWatcher = createPollingWatcher({ intervalMs });
  const children: ChildProcess[] = [];

  function sleeper(): { child: ChildProcess; pid: number } {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    children.push(child);
    return { child, pid: child.pid ?? 0 };
  }

  afterEach(() => {
    watcher.close();
    for (const child of children.splice(0)) child.kill("SIGKILL");
    watcher = createPollingWatcher({ intervalMs });
  });

  it("tells of the end of each process, once", async () => {
    const sleepers = Array.from({ length: 20 }, sleeper);
    const ended: number[] = [];
    for (const { pid } of sleepers) watcher.watch(identifyProcess(pid, machine), () => ended.push(pid));
    await severalLooks();
    expect({ ended, size: watcher.size }).toEqual({ ended: [], size: 20 });
    for (const { child } of sleepers) child.kill("SIGKILL");
    await expect.poll(() => ended.length, { timeout: 5_000 }).toBe(20);
    await severalLooks();
    expect(ended.toSorted()).toEqual(sleepers.map(({ pid }) => pid).toSorted());
    expect(watcher.size).toBe(0);
  });

  it("tells of one that is gone already, and of a pid that is another process's by now, but not within the call", async () => {
    const { child, pid } = sleeper();
    const identity = identifyProcess(pid, machine);
    const ends: string[] = [];
    child.kill("SIGKILL");
    await once(child, "exit");
    watcher.watch({ ...identifyProcess(process.pid, machine), startTime: "1" }, () => ends.push("used again"));
    watcher.watch(identity, () => ends.push("gone"));
    expect(ends).toEqual([]);
    await severalLooks();
    expect(ends).toEqual(["used again", "gone"]);
    expect(watcher.size).toBe(0);
  });

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

  it("watches nothing that it cannot tell apart", async () => {
    let ends = 0;
    watcher.watch({ pid: 0, startTime: "1", bootId: "", pidNamespace: "" }, () => ends++);
    watcher.watch({ pid: process.pid, startTime: undefined, bootId: "", pidNamespace: "" }, () => ends++);
    await severalLooks();
    expect({ ends, size: watcher.size }).toEqual({ ends: 0, size: 0 });
  });

  it("stops when told, also before the call back of one that was gone, and leaves no file open", async () => {
    const files = openFiles();
    const { child, pid } = sleeper();
    let ends = 0;
    const stop = watcher.watch(identifyProcess(pid, machine), () => ends++);
    expect(openFiles()).toBe(files + 1);
    stop();
    stop();
    const stopGone = watcher.watch({ ...identifyProcess(pid, machine), startTime: "1" }, () => ends++);
    stopGone();
    child.kill("SIGKILL");
    await severalLooks();
    expect(ends).toBe(0);
    expect(openFiles()).toBe(files);
  });

  it("watches those that there was no descriptor for when there is one again, and says so once", async () => {
    const errors: string[] = [];
    const own = createPollingWatcher({ intervalMs, onUnreadable: (reason) => errors.push(reason) });
    const before = openFiles();
    const [ends, stays, goes, stopped] = [sleeper(), sleeper(), sleeper(), sleeper()];
    const ended: string[] = [];
    const identities = [ends, stays, goes, stopped].map(({ pid }) => identifyProcess(pid, machine));
    const files = openFiles();
    const stops = withoutDescriptors(() =>
      ["ends", "stays", "goes", "stopped"].map((name, at) => {
        const identity = identities[at];
        return identity && own.watch(identity, () => ended.push(name));
      }),
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
