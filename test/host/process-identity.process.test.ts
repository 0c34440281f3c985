import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { identifyProcess, livenessOf, parseProcessStat, readMachine, startTimeOf } from "../../src/host/proc.js";
import { FakeProc, statLine } from "./fake-proc.js";

describe("the line of /proc/<pid>/stat", () => {
  it.each([
    ["a plain command", "sleep"],
    ["blanks", "tmux: server"],
    ["parentheses", "a) S 1 (b"],
    ["a line end", "x\ny"],
    ["nothing", ""],
  ])("is read where the command holds %s", (_, command) => {
    expect(parseProcessStat(statLine(42, command, "R", 7, "123456789012345"))).toEqual({
      state: "R",
      parent: 7,
      group: 0,
      startTime: "123456789012345",
    });
  });

  it.each([["", "1 (sleep) S 1 2 3", "sleep S 1", "1 (sleep"]])("is not made up from %j", (line) => {
    expect(parseProcessStat(line)).toBeUndefined();
  });
});

describe("the identity of a process", () => {
  let child: ChildProcess | undefined;
  let proc: FakeProc | undefined;
  const machine = readMachine("/proc");

  afterEach(() => {
    child?.kill("SIGKILL");
    proc?.remove();
  });

  it("is the same each time, and of one process only", () => {
    expect(identifyProcess(process.pid, machine)).toEqual(identifyProcess(process.pid, machine));
    expect(startTimeOf(process.pid)).toMatch(/^\d+$/);
    expect(startTimeOf(2 ** 22 + 1)).toBeUndefined();
    expect(startTimeOf(0)).toBeUndefined();
  });

  it("tells of a real process whether it runs", async () => {
    child = spawn("sleep", ["60"]);
    const identity = identifyProcess(child.pid ?? 0, machine);
    expect(livenessOf(identity, machine)).toBe("alive");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(livenessOf(identity, machine)).toBe("dead");
  });

  const recorded = { pid: 10, startTime: "100", bootId: "boot-1", pidNamespace: "pid:[1]" };
  it.each([
    ["the process itself", {}, {}, "alive"],
    ["a pid that is used again", {}, { startTime: "101" }, "dead"],
    ["a zombie", {}, { state: "Z" }, "dead"],
    ["no such pid", {}, { pid: 11 }, "dead"],
    ["an earlier boot", { bootId: "boot-0" }, {}, "dead"],
    ["an earlier boot, without a start time", { bootId: "boot-0", startTime: undefined }, {}, "dead"],
    ["no boot id then", { bootId: "" }, {}, "alive"],
    ["another pid namespace", { pidNamespace: "pid:[2]" }, {}, "unknown"],
    ["no start time", { startTime: undefined }, {}, "unknown"],
    ["no pid", { pid: 0 }, {}, "unknown"],
  ])("tells of %s", (_, identity, process, expected) => {
    proc = new FakeProc();
    proc.add({ pid: 10, ...process });
    expect(livenessOf({ ...recorded, ...identity }, readMachine(proc.root))).toBe(expected);
  });
});
