import { describe, expect, it } from "vitest";
import { Observers } from "../src/bridge/observers.js";

/** Work that ends when the test says so. */
function work(log: string[], name: string) {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const start = () => {
    log.push(`${name} starts`);
    return ended;
  };
  return { start, end };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("observers", () => {
  it("run in order for one container, and side by side for two", async () => {
    const log: string[] = [];
    const observers = new Observers();
    const [a1, a2, b1] = [work(log, "a1"), work(log, "a2"), work(log, "b1")];
    observers.run("a", a1.start);
    observers.run("a", a2.start);
    observers.run("b", b1.start);
    expect(log).toEqual(["a1 starts", "b1 starts"]);
    a1.end();
    await turn();
    expect(log).toEqual(["a1 starts", "b1 starts", "a2 starts"]);
    a2.end();
    b1.end();
    await observers.idle();
  });

  it("never run more at a time than the limit, and let the next one in when one ends", async () => {
    const log: string[] = [];
    const observers = new Observers({ running: 2, waiting: 10 });
    const all = ["a", "b", "c"].map((id) => ({ id, ...work(log, id) }));
    for (const { id, start } of all) observers.run(id, start);
    expect(log).toEqual(["a starts", "b starts"]);
    all[0]?.end();
    await turn();
    expect(log).toEqual(["a starts", "b starts", "c starts"]);
    for (const { end } of all) end();
    await observers.idle();
  });

  it("are dropped, and it is told, when too many wait", () => {
    const log: string[] = [];
    const observers = new Observers({ running: 1, waiting: 1 });
    expect(observers.run("a", work(log, "a").start)).not.toBeNull();
    expect(observers.run("b", work(log, "b").start)).not.toBeNull();
    expect(observers.run("c", work(log, "c").start)).toBeNull();
  });

  it("are kept all the same when they are owed", async () => {
    const log: string[] = [];
    const observers = new Observers({ running: 1, waiting: 1 });
    const all = ["a", "b", "c"].map((id) => ({ id, ...work(log, id) }));
    const runs = all.map(({ id, start }) => observers.run(id, start, { owed: true }));
    for (const [n, { end }] of all.entries()) {
      end();
      await runs[n];
    }
    expect(log.filter((line) => line.endsWith("starts"))).toEqual(["a starts", "b starts", "c starts"]);
  });

  it("are not started any more when there is an end", async () => {
    const log: string[] = [];
    const observers = new Observers({ running: 1, waiting: 1 });
    const first = work(log, "a");
    const run = observers.run("a", first.start);
    void observers.run("b", work(log, "b").start);
    observers.close();
    first.end();
    await run;
    await turn();
    expect(log).not.toContain("b starts");
  });
});
