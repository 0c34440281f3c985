import { spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";

import { Deadline } from "../../src/deadline.js";
import { descendantsOf, groupMembers, readProcessStat } from "../../src/legacy/process-tree.js";
import { Supervisor } from "../../src/legacy/supervise.js";
import { createDirectory } from "./plugin-directory.js";
import { endProcess, isAlive, until } from "./processes.js";

function start(path: string, args: readonly string[]): number {
  const { pid } = spawn(path, [...args], { detached: true, stdio: "ignore" });
  if (pid === undefined) throw new Error(`${path} was not started`);
  onTestFinished(() => {
    for (const member of groupMembers(pid)) endProcess(member);
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

describe("the process tree", () => {
  it("reads a process with any name", async () => {
    const path = join(createDirectory(), "a) S (b c");
    copyFileSync("/bin/sleep", path);
    const pid = start(path, ["30"]);
    expect(readProcessStat(pid)).toMatchObject({
      pid,
      parent: process.pid,
      group: pid,
      state: expect.stringMatching(/^[RSD]$/),
    });
    expect(readProcessStat(pid)?.startTime).toMatch(/^\d+$/);
  });

  it("knows children of children, and the members of a group", async () => {
    const pid = start("/bin/sh", ["-c", "sh -c 'sleep 30; true' & setsid sleep 30 & wait"]);
    expect(await until(() => descendantsOf(pid).length === 3)).toBe(true);
    const found = descendantsOf(pid);
    const away = found.filter(({ group }) => group !== pid);
    onTestFinished(() => {
      for (const stat of away) endProcess(stat.pid);
    });
    expect(await until(() => descendantsOf(pid).filter(({ group }) => group !== pid).length === 1)).toBe(true);
    expect(groupMembers(pid).length).toBe(3);
  });

  it("has nothing of a process that is not there", () => {
    expect(readProcessStat(2 ** 22 + 1)).toBeNull();
    expect(descendantsOf(2 ** 22 + 1)).toEqual([]);
  });
});
