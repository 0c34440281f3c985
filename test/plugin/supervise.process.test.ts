import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";

import { Deadline } from "../../src/base/deadline.js";
import { findProcesses, ProcessGroup } from "../../src/plugin/process-group.js";
import { Supervisor } from "../../src/plugin/supervise.js";
import { createDirectory } from "./plugin-directory.js";
import { isAlive, until } from "./processes.js";

function start(path: string, args: readonly string[]): number {
  const { pid } = spawn(path, [...args], { detached: true, stdio: "ignore" });
  if (pid === undefined) throw new Error(`${path} was not started`);
  onTestFinished(() => {
    new ProcessGroup(pid).kill();
  });
  return pid;
}

describe("Supervisor", () => {
  it("does not wait for a process that SIGKILL does not end", async () => {
    const pid = start("/bin/sleep", ["30"]);
    const never = new Promise<never>(() => {});
    const deadlines = { terminateAt: Deadline.after(50), killAt: Deadline.after(100) };
    const began = performance.now();
    const end = await new Supervisor({ pid, exited: never }, deadlines).wait();
    expect(end).toEqual({ exitCode: null, signal: null, timedOut: true, killed: true });
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("arms nothing for a deadline that never comes, and kills nobody after the end", async () => {
    const pid = start("/bin/sleep", ["30"]);
    const exited = Promise.resolve({ exitCode: 0, signal: null });
    const never = { terminateAt: Deadline.after(Infinity), killAt: Deadline.after(Infinity) };
    const supervisor = new Supervisor({ pid, exited }, never);
    expect(await supervisor.wait()).toEqual({ exitCode: 0, signal: null, timedOut: false, killed: false });
    supervisor.kill();
    expect(isAlive(pid)).toBe(true);
  });
});

describe("ProcessGroup", () => {
  it("knows its living members, the leader too", async () => {
    const group = new ProcessGroup(start("/bin/sh", ["-c", "sh -c 'sleep 30; true' & sleep 30 & wait"]));
    expect(await until(() => group.members().length === 4)).toBe(true);
    expect(group.members()).toContain(group.leader);
    expect(group.isAlive()).toBe(true);
    group.terminate();
    expect(await until(() => group.members().length === 0)).toBe(true);
  });

  it("of 2,000 processes gets its signal at once, and is looked at for a while only", async () => {
    const directory = createDirectory();
    const fork = `i=0; while [ $i -lt 2000 ]; do (read -r _ <&3) & i=$((i+1)); done`;
    const script = `cd ${directory} && mkfifo silent && exec 3<>silent && ${fork}; : >ready; wait`;
    const group = new ProcessGroup(start("/bin/sh", ["-c", script]));
    expect(await until(() => existsSync(join(directory, "ready")), 30_000)).toBe(true);
    // A neighbour on this machine takes time, and no CPU time of ours.
    const cpuMs = (work: () => void) => {
      const before = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    };
    expect(cpuMs(() => expect(group.members().length).toBeGreaterThan(0))).toBeLessThan(100);
    expect(cpuMs(() => group.terminate())).toBeLessThan(100);
    expect(cpuMs(() => expect(group.deserters()).toEqual([]))).toBeLessThan(100);
    expect(await until(() => !group.isAlive(), 30_000)).toBe(true);
  }, 60_000);
});

describe("the process tree", () => {
  it("is looked at for so long, but in any case a little", () => {
    let looked = 0;
    const look = () => ++looked > 0;
    expect(findProcesses(1, 60_000, look).length).toBe(looked);
    looked = 0;
    findProcesses(1, -1, look);
    expect(looked).toBeGreaterThan(0);
    expect(looked).toBeLessThanOrEqual(128);
  });

  it("has nothing of a process that is not there", () => {
    expect(findProcesses(2 ** 22 + 1, 1_000, () => true)).toEqual([]);
  });
});
