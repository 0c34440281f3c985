import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../../src/base/logger.js";
import { createNodeHost } from "../../src/host/host.js";
import { RunningPlugins } from "../../src/ledger/running.js";
import { makeFolder } from "../support/places.js";

const host = createNodeHost();
let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = makeFolder();
  path = join(folder, "running");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A bridge's list; `ended` holds what it ended when it was opened, each of which ends by itself at that moment. */
function openList() {
  const ended: number[] = [];
  const end = (pid: number) => {
    ended.push(pid);
    throw new Error("kill ESRCH");
  };
  const list = new RunningPlugins({ host, end, log: silentLog });
  list.open(folder);
  /** Notes a process as the bridge's starter does; gives what tells its end. */
  const note = async (pid: number, waitMs = 20) => {
    let end = () => {};
    list.began(
      pid,
      new Promise<void>((resolve) => {
        end = resolve;
      }),
    );
    await sleep(waitMs);
    return async () => {
      end();
      await sleep(2);
    };
  };
  return { list, ended, note };
}

async function startPlugin(): Promise<number> {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  children.push(child);
  await once(child, "spawn");
  return child.pid ?? 0;
}

describe("the plugins that a killed bridge left running", () => {
  it("are ended by the next one, all of them, and nothing else is", async () => {
    const { note } = openList();
    const [left, done, alsoLeft] = [await startPlugin(), await startPlugin(), await startPlugin()];
    await note(left);
    const end = await note(done);
    await note(alsoLeft);
    await end();
    expect(openList().ended).toEqual([left, alsoLeft]);
  });

  it("are left alone when their pid is another process's by now", async () => {
    const { note } = openList();
    await note(await startPlugin());
    const { startTime = "" } = host.identify(children[0]?.pid ?? 0);
    writeFileSync(path, readFileSync(path, "utf8").replace(` ${startTime} `, ` ${BigInt(startTime) - 1n} `));
    expect(openList().ended).toEqual([]);
  });

  it("are known although they began before the directory was ours", async () => {
    const early = new RunningPlugins({ host, end: () => {}, log: silentLog });
    const pid = await startPlugin();
    early.began(pid, new Promise(() => {}));
    await sleep(20);
    early.open(folder);
    expect(openList().ended).toEqual([pid]);
  });
});

describe("the list of running plugins", () => {
  it("is as long as the most that ever ran at once, and goes with the bridge", async () => {
    const { list, note } = openList();
    for (let run = 0; run < 5; run++) {
      const ends = [await note(process.pid), await note(process.pid)];
      for (const end of ends) await end();
    }
    expect(statSync(path).size).toBe(2 * 160);
    expect(readFileSync(path, "utf8").trim()).toBe("");
    list.close();
    expect(existsSync(path)).toBe(false);
  });

  it("is not written for a process that ends at once", async () => {
    const { note } = openList();
    const end = await note(process.pid, 0);
    await end();
    await sleep(20);
    expect(statSync(path).size).toBe(0);
  });

  it.each([
    ["what is no list", "not a list\n\0\0\0"],
    ["half a line", `${process.pid} 12`],
    ["a process of another boot", `${process.pid} ${host.identify(process.pid).startTime} another-boot pid:[1]\n`],
  ])("ends nobody for %s", (_, text) => {
    writeFileSync(path, text, { mode: 0o600 });
    expect(openList().ended).toEqual([]);
  });

  it("is not believed when others can write it", async () => {
    const { note } = openList();
    await note(await startPlugin());
    const text = readFileSync(path, "utf8");
    rmSync(path);
    writeFileSync(path, text);
    chmodSync(path, 0o666);
    expect(openList().ended).toEqual([]);
  });
});
