import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, onTestFinished } from "vitest";

import { checkPrivilege } from "../../src/cgroup/privilege.js";
import { Reserves } from "../../src/cgroup/reserves.js";
import { seedFiles } from "../../src/cgroup/seed.js";
import { treeFiles } from "../../src/cgroup/tree.js";
import { isAlive, until } from "../legacy/processes.js";
import { machine } from "./support/machine.js";

const files = treeFiles(seedFiles({ machine, resources: {} }), machine);
const mountinfo = readFileSync("/proc/self/mountinfo", "utf8");

describe.skipIf(!(await checkPrivilege()).ok)("views in reserve", () => {
  function setUp(count = 1) {
    /** Keepers in the order in which they were made. */
    const made: number[] = [];
    const ended: number[] = [];
    const enter = async (keeper: number) => {
      made.push(keeper);
      return { keeper, end: async () => void ended.push(keeper) };
    };
    const reserves = new Reserves({ files, enter, count });
    onTestFinished(() => reserves.close());
    return { reserves, made, ended };
  }

  it("are taken in the order in which they were made, and replaced", async () => {
    const { reserves, made } = setUp();
    await reserves.fill();
    const first = await reserves.take(mountinfo);
    expect([first.keeper.pid, first.enterer?.keeper]).toEqual([made[0], made[0]]);
    expect(await until(() => made.length === 2)).toBe(true);
    await reserves.fill();
    expect((await reserves.take(mountinfo)).keeper.pid).toBe(made[1]);
    reserves.leave(first);
  });

  it("are one more when a run had to wait for one, and four at most", async () => {
    const { reserves, made } = setUp();
    await reserves.fill();
    const rooms = await Promise.all(Array.from({ length: 9 }, () => reserves.take(mountinfo)));
    expect(new Set(rooms.map(({ keeper }) => keeper.pid))).toEqual(new Set(made));
    expect(await until(() => made.length === 9 + 4)).toBe(true);
    await reserves.fill();
    expect(made).toHaveLength(9 + 4);
    for (const room of rooms) reserves.leave(room);
  });

  it("are passed over when their process has died, and ended", async () => {
    const { reserves, made, ended } = setUp(2);
    await reserves.fill();
    const [dead = 0, alive = 0] = made;
    process.kill(dead, "SIGKILL");
    // Not a zombie either: then we have been told.
    expect(await until(() => !existsSync(`/proc/${dead}`))).toBe(true);
    // They were made side by side: either may be the first to be taken.
    const taken = [await reserves.take(mountinfo), await reserves.take(mountinfo)];
    expect(taken[0]?.keeper.pid).toBe(alive);
    expect(taken[1]?.keeper.pid).not.toBe(dead);
    expect(await until(() => ended.includes(dead))).toBe(true);
    for (const room of taken) reserves.leave(room);
  });

  it("end with what was let go of when they are closed, and what is open lives until it is let go of", async () => {
    const { reserves, made, ended } = setUp(3);
    await reserves.fill();
    const open = await reserves.take(mountinfo);
    const left = await reserves.take(mountinfo);
    reserves.leave(left);
    await reserves.close();
    const others = made.filter((pid) => pid !== open.keeper.pid);
    expect(others.filter(isAlive)).toEqual([]);
    expect([...ended].sort()).toEqual([...others].sort());
    expect(isAlive(open.keeper.pid)).toBe(true);
    await expect(reserves.take(mountinfo)).rejects.toThrow("captured cgroup views are closed");
    reserves.leave(open);
    expect(await until(() => !isAlive(open.keeper.pid))).toBe(true);
  });

  it("do without a process that enters when none can be started", async () => {
    const reserves = new Reserves({ files, enter: async () => undefined, count: 1 });
    onTestFinished(() => reserves.close());
    await reserves.fill();
    const room = await reserves.take(mountinfo);
    expect(room.enterer).toBeUndefined();
    const inside = spawn("nsenter", [`--mount=/proc/${room.keeper.pid}/ns/mnt`, "ls", "/sys/fs/cgroup"]);
    let text = "";
    for await (const chunk of inside.stdout) text += chunk;
    expect(text.split("\n")).toContain("cpu,cpuacct");
    reserves.leave(room);
  });
});

it("views that have ended leave nothing on the heap", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const reserves = new Reserves({ files, enter: undefined, count: 0 });
  await reserves.close();
  const keeper = {
    pid: 0,
    root: -1,
    directories: new Map<string, number>(),
    files: new Map<string, number>(),
    lastInode: 0,
    isAlive: () => true,
    close: async () => {},
  };
  const heapAfter = async (views: number) => {
    for (let n = 0; n < views; n++) {
      reserves.leave({ keeper, enterer: undefined });
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await reserves.close();
    collect();
    return process.memoryUsage().heapUsed;
  };
  await heapAfter(5_000);
  const before = await heapAfter(5_000);
  expect((await heapAfter(30_000)) - before).toBeLessThan(1_000_000);
});
