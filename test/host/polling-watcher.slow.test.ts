import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { identifyProcess, readMachine } from "../../src/host/proc.js";
import { createPollingWatcher } from "../../src/host/process-watcher.js";

it("the watcher of processes by looks watches 500 at little cost, and tells of each", async () => {
  const watcher = createPollingWatcher();
  const machine = readMachine("/proc");
  const ended = new Set<number>();
  const sleepers = Array.from({ length: 500 }, () => spawn("sleep", ["60"], { stdio: "ignore" }));
  onTestFinished(() => {
    watcher.close();
    for (const child of sleepers) child.kill("SIGKILL");
  });
  for (const { pid = 0 } of sleepers) watcher.watch(identifyProcess(pid, machine), () => ended.add(pid));
  expect(watcher.size).toBe(500);
  await sleep(200);
  const before = process.cpuUsage();
  await sleep(2_000);
  const { user, system } = process.cpuUsage(before);
  // Measured: about 1 % of a core; the limit leaves room for a busy machine.
  expect((user + system) / 2_000_000).toBeLessThan(0.1);
  expect(ended.size).toBe(0);
  for (const child of sleepers) child.kill("SIGKILL");
  await sleep(1_000);
  expect(ended.size).toBe(500);
});
