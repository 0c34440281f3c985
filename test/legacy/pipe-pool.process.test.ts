import { describe, expect, it, onTestFinished } from "vitest";

import { Deadline } from "../../src/deadline.js";
import type { AnonymousPipe } from "../../src/legacy/anonymous-pipe.js";
import { PipePool, type StdioPipes } from "../../src/legacy/pipe-pool.js";
import { createPipes } from "../../src/legacy/pipe-source.js";
import { children, endProcess, processesWith, until } from "./processes.js";

const soon = () => Deadline.after(15_000);

function all({ stdin, stdout, stderr }: StdioPipes): AnonymousPipe[] {
  return [stdin, stdout, stderr];
}

function createPool(source: () => Promise<AnonymousPipe[]> = createPipes): PipePool {
  const pool = new PipePool(source);
  onTestFinished(() => pool.close());
  return pool;
}

describe("PipePool", () => {
  it("lends no pipe twice", async () => {
    const pool = createPool();
    const lent = await Promise.all(Array.from({ length: 20 }, () => pool.lend(soon())));
    expect(new Set(lent.flatMap(all)).size).toBe(60);
    for (const pipe of lent.flatMap(all)) pipe.close();
  });

  it("lends again what came back, without a new process", async () => {
    let fills = 0;
    const pool = createPool(() => {
      fills++;
      return createPipes();
    });
    for (let i = 0; i < 20; i++) for (const pipe of all(await pool.lend(soon()))) pool.giveBack(pipe);
    expect(fills).toBeLessThanOrEqual(3);
  });

  it("asks its source again, and rejects when that goes on failing", async () => {
    let failures = 2;
    const source = () => (failures-- > 0 ? Promise.reject(new Error("no shell")) : createPipes());
    const pool = createPool(source);
    for (const pipe of all(await pool.lend(soon()))) pool.giveBack(pipe);
    await expect(createPool(() => Promise.reject(new Error("no shell"))).lend(soon())).rejects.toThrow("no shell");
  });

  it("recovers after a failure", async () => {
    let broken = true;
    const pool = createPool(() => (broken ? Promise.reject(new Error("no shell")) : createPipes()));
    await expect(pool.lend(soon())).rejects.toThrow("no shell");
    broken = false;
    for (const pipe of all(await pool.lend(soon()))) pipe.close();
  });

  it("does not wait beyond the deadline, and lends what comes later to the next", async () => {
    let arrive: (pipes: AnonymousPipe[]) => void = () => {};
    const pool = createPool(
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    );
    await expect(pool.lend(Deadline.after(50))).rejects.toThrow("in time");
    const next = pool.lend(soon());
    arrive(await createPipes());
    for (const pipe of all(await next)) pool.giveBack(pipe);
  });

  it("survives the death of the shells that make its pipes", async () => {
    const pool = createPool();
    const killed = new Set<number>();
    const hunter = setInterval(() => {
      for (const pid of processesWith("exec 9<&0")) {
        if (killed.size >= 2 || !children(process.pid).includes(pid)) continue;
        killed.add(pid);
        endProcess(pid);
      }
    }, 1);
    onTestFinished(() => clearInterval(hunter));
    const lent = await Promise.all(Array.from({ length: 30 }, () => pool.lend(soon())));
    expect(lent.length).toBe(30);
    for (const pipe of lent.flatMap(all)) pipe.close();
  });

  it("rejects after its end, and closes what then comes back", async () => {
    const pool = createPool();
    const pipes = all(await pool.lend(soon()));
    pool.close();
    await expect(pool.lend(soon())).rejects.toThrow("closed");
    for (const pipe of pipes) {
      pool.giveBack(pipe);
      expect(() => pipe.openOwnEnd("read")).toThrow();
    }
  });
});

describe("createPipes", () => {
  it("leaves no process behind", async () => {
    for (const pipe of await createPipes()) pipe.close();
    const shells = () => processesWith("exec 9<&0").filter((pid) => children(process.pid).includes(pid));
    // A pool of an earlier test may have asked for more just before its end.
    await until(() => shells().length === 0);
    expect(shells()).toEqual([]);
  });
});
