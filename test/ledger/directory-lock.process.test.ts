import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../src/ledger/directory-lock.js";
import { makeFolder } from "../support/places.js";
import { buildProgram, type Running, runProgram } from "./programs/program.js";

describe("the lock of a state directory", () => {
  let folder: string;
  let locks: DirectoryLock[];
  const running: Running[] = [];
  beforeEach(() => {
    folder = makeFolder();
    locks = [];
  });
  afterEach(async () => {
    for (const { child } of running.splice(0)) child.kill("SIGKILL");
    for (const lock of locks) await lock.release();
  });

  function lockOf(name = "locked"): DirectoryLock {
    const lock = new DirectoryLock(join(folder, name));
    locks.push(lock);
    return lock;
  }

  function run(program: string, ...args: string[]): Running {
    const started = runProgram(program, args);
    running.push(started);
    return started;
  }

  it("is held by one, who may ask again, and by the next after its release", async () => {
    const [first, second] = [lockOf(), lockOf()];
    expect(await first.tryAcquire()).toEqual({ kind: "held" });
    expect(await first.tryAcquire()).toEqual({ kind: "held" });
    expect(await second.tryAcquire()).toEqual({ kind: "taken", holder: `process ${process.pid}` });
    expect(second.held).toBe(false);
    await first.release();
    expect(await second.tryAcquire()).toEqual({ kind: "held" });
    expect(await first.tryAcquire()).toMatchObject({ kind: "taken" });
  });

  it("leaves few files behind, however often it is taken", async () => {
    for (let round = 0; round < 30; round++) {
      const lock = lockOf();
      await lock.tryAcquire();
      await lock.release();
    }
    expect(readdirSync(join(folder, "locked")).length).toBeLessThan(12);
  });

  it("is waited for so long, or until told to stop", async () => {
    await lockOf().tryAcquire();
    const holders: string[] = [];
    const outcome = await lockOf().acquire({ waitMs: 250, onWait: (holder) => holders.push(holder) });
    expect(outcome).toMatchObject({ kind: "taken" });
    expect(holders).toEqual([`process ${process.pid}`]);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    expect(await lockOf().acquire({ signal: abort.signal })).toMatchObject({ kind: "taken" });
  });

  it("passes on when its holder is killed, and when it ends well, but not when it is stopped", async () => {
    const program = buildProgram("holder", folder);
    const holder = run(program, join(folder, "locked"));
    await holder.line("held");
    const second = run(program, join(folder, "locked"));
    expect(await second.line("waits")).toBe(`waits for process ${holder.child.pid}`);
    holder.child.kill("SIGKILL");
    await second.line("held");
    const third = lockOf();
    const waiting = third.acquire();
    await sleep(150);
    expect(third.held).toBe(false);
    // One that is stopped is still its holder.
    second.child.kill("SIGSTOP");
    expect(await lockOf().tryAcquire()).toEqual({ kind: "taken", holder: "another process" });
    second.child.kill("SIGCONT");
    second.child.stdin?.end();
    expect(await waiting).toEqual({ kind: "held" });
  });

  it("is never two's, whoever contends for it and dies with it", async () => {
    const program = buildProgram("contender", folder);
    const contenders = Array.from({ length: 4 }, () => run(program, folder, "15"));
    await Promise.all(contenders.map(({ ended }) => ended));
    const lines = contenders.flatMap((contender) => contender.lines);
    expect(lines.filter((line) => line !== "alone")).toEqual([]);
    expect(lines).toHaveLength(60);
  });

  it("cannot be had where others may write, or no directory can be", async () => {
    mkdirSync(join(folder, "shared"));
    chmodSync(join(folder, "shared"), 0o777);
    expect(await lockOf("shared").tryAcquire()).toMatchObject({
      kind: "unavailable",
      reason: expect.stringContaining("mode 0777 lets any user write it"),
    });
    writeFileSync(join(folder, "file"), "");
    expect(await lockOf("file/below").tryAcquire()).toMatchObject({ kind: "unavailable" });
  });
});
