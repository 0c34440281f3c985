import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { Reserves } from "../../src/cgroup/keeper.js";
import { checkPrivilege } from "../../src/cgroup/privilege.js";
import { seedFiles, treeFiles } from "../../src/cgroup/tree.js";
import { isAlive, until } from "../plugin/processes.js";
import { keepersOf, machine } from "./support.js";

const files = treeFiles(seedFiles({ machine }), machine);

/** Those of other tests in this process. */
const others = new Set<number>();
beforeEach(() => {
  for (const pid of keepers()) others.add(pid);
});

describe.skipIf(!(await checkPrivilege()).ok)("views in reserve", () => {
  function setUp(): Reserves {
    const reserves = new Reserves(files);
    onTestFinished(() => reserves.close());
    return reserves;
  }

  it("are what a run may enter, and replaced", async () => {
    const reserves = setUp();
    await reserves.fill();
    const [made] = keepers();
    const first = await reserves.take();
    expect(first.pid).toBe(made);
    const inside = spawn("nsenter", [`--mount=/proc/${first.pid}/ns/mnt`, "ls", "/sys/fs/cgroup"]);
    let text = "";
    for await (const chunk of inside.stdout) text += chunk;
    expect(text.split("\n")).toContain("cpu,cpuacct");
    expect(await until(() => keepers().length === 2)).toBe(true);
    await reserves.fill();
    const second = await reserves.take();
    expect(keepers()).toContain(second.pid);
    for (const keeper of [first, second]) reserves.leave(keeper);
  });

  it("are one more when a run had to wait for one, and four at most", async () => {
    const reserves = setUp();
    await reserves.fill();
    const taken = await Promise.all(Array.from({ length: 9 }, () => reserves.take()));
    expect(new Set(taken.map(({ pid }) => pid)).size).toBe(9);
    expect(await until(() => keepers().length === 9 + 4)).toBe(true);
    await reserves.fill();
    expect(keepers()).toHaveLength(9 + 4);
    for (const keeper of taken) reserves.leave(keeper);
  });

  it("are passed over when their process has died", async () => {
    const reserves = setUp();
    await reserves.fill();
    const [dead = 0] = keepers();
    process.kill(dead, "SIGKILL");
    // Not a zombie either: then we have been told.
    expect(await until(() => !existsSync(`/proc/${dead}`))).toBe(true);
    const taken = await reserves.take();
    expect(taken.pid).not.toBe(dead);
    reserves.leave(taken);
  });

  it("end with what was let go of when they are closed, and what is open lives until it is let go of", async () => {
    const reserves = setUp();
    await reserves.fill();
    const open = await reserves.take();
    reserves.leave(await reserves.take());
    await reserves.close();
    expect(keepers()).toEqual([open.pid]);
    await expect(reserves.take()).rejects.toThrow("makes no captured cgroup views");
    reserves.leave(open);
    expect(await until(() => !isAlive(open.pid))).toBe(true);
  });
});

/** The processes that hold views of this test. */
function keepers(): number[] {
  return keepersOf(process.pid).filter((pid) => !others.has(pid));
}
