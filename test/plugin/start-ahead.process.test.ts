import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";

import { silentLog } from "../../src/base/logger.js";
import { StartAhead } from "../../src/plugin/start-ahead.js";
import { buildProgram } from "./build-program.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { children, commandLine, endProcess, isAlive, until, zombies } from "./processes.js";
import { run, spawnerForFile, spawners, toInput } from "./spawners.js";

/** Says its pid when it has read its request. */
const waiter = '#!/bin/sh\nread -r request\necho "$$ $request"\n';

// When one is started, used and replaced is start-ahead.test.ts.
describe.each(spawners)("a process started ahead by the $name spawner", ({ create, source }) => {
  const spawner = spawnerForFile(create);

  async function prepare(script: string) {
    const path = installFile(createDirectory(), "plugin", script);
    const process = await spawner.start(toInput({ path, guarded: path }));
    if ("code" in process) throw new Error(process.code);
    onTestFinished(() => process.abandon());
    return {
      process,
      end: process.watch(),
      /** Gives it its request, and the run's result; null when it takes none. */
      async offer() {
        const input = toInput({ path, stdin: "hello\n" });
        const result = await process.offer(input.stdin, input);
        return result && { ...result, text: Buffer.from(result.stdout).toString() };
      },
    };
  }

  it("serves one run, and leaves nothing", async () => {
    const { process, offer, end } = await prepare(waiter);
    const { pid } = process;
    expect(await offer()).toMatchObject({ pid, text: `${pid} hello\n`, exitCode: 0, leftGroup: null });
    expect(await end).toBeNull();
    expect(await offer()).toBeNull();
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it.each([
    ["ends", "exit 0", "the plugin ended before it got a request"],
    ["prints", "echo early; cat", "the plugin printed something before it got a request"],
    ["prints on stderr", "echo early >&2; cat", "the plugin printed something before it got a request"],
    ["is ended by a signal", "kill -KILL $$", null],
  ])("that %s takes no request, and is gone", async (_, script, fault) => {
    const { process, offer, end } = await prepare(`#!/bin/sh\n${script}\n`);
    expect(await end).toBe(fault);
    expect(await offer()).toBeNull();
    expect(await until(() => !isAlive(process.pid))).toBe(true);
  });

  it("that closes its stdin takes no request, and is ended", async () => {
    const { process, offer, end } = await prepare("#!/bin/sh\nexec 0<&-\nsleep 60\n");
    await until(() => !existsSync(`/proc/${process.pid}/fd/0`));
    expect(await offer()).toBeNull();
    expect(await end).toBe("the plugin closed its stdin before it got a request");
    expect(await until(() => !isAlive(process.pid))).toBe(true);
  });

  it("that has just been killed takes no request, although we do not know of it yet", async () => {
    const { process, offer, end } = await prepare(waiter);
    endProcess(process.pid);
    // It is dead, and we are in the same turn.
    while (isAlive(process.pid));
    expect(await offer()).toBeNull();
    expect(await end).toBeNull();
  });

  it("that ignores SIGTERM is ended too, and its stdin does not end before", async () => {
    const directory = createDirectory();
    const [ready, seen] = [join(directory, "ready"), join(directory, "seen")];
    const script = `trap '' TERM\n: >${ready}\nread -r request || echo "end of data" >${seen}\necho x\n`;
    const { process } = await prepare(`#!/bin/sh\n${script}`);
    await until(() => existsSync(ready));
    await process.abandon();
    expect(isAlive(process.pid)).toBe(false);
    expect(existsSync(seen)).toBe(false);
  });

  it("takes the place of a start, and is ended with its starter", async () => {
    const ahead = new StartAhead(create(), silentLog, 1);
    onTestFinished(() => ahead.close());
    const path = installFile(createDirectory(), "plugin", waiter);
    const ours = () => children(process.pid).filter((pid) => commandLine(pid).includes(path));
    const invoke = () => run(ahead, { path, guarded: path, startAhead: 1, stdin: "hello\n" });
    await invoke();
    expect(ours()).toEqual([]);
    ahead.rearm();
    await until(() => ours().length === 1);
    const [waiting] = ours();
    // Until it is proven.
    await sleep(20);
    expect(await invoke()).toMatchObject({ pid: waiting, text: `${waiting} hello\n` });
    ahead.rearm();
    await until(() => ours().length === 1);
    await ahead.close();
    expect(ours()).toEqual([]);
  });

  it("ends with a program that is killed: its stdin ends", async () => {
    const directory = createDirectory();
    const path = installFile(directory, "plugin", waiter);
    const program = buildProgram(
      `
        const spawner = new StartAhead(${source}, { debug() {}, info() {}, warn() {}, error() {} });
        await run(spawner, { path: ${JSON.stringify(path)}, startAhead: 3 });
        spawner.rearm();
        setInterval(() => {}, 1000);
      `,
      directory,
    );
    const bridge = spawn(process.execPath, [program], { stdio: ["ignore", "ignore", "inherit"] });
    onTestFinished(() => void bridge.kill("SIGKILL"));
    let waiting: number[] = [];
    const areThere = () => {
      waiting = children(bridge.pid ?? 0).filter((pid) => commandLine(pid).includes(path));
      return waiting.length === 3;
    };
    expect(await until(areThere)).toBe(true);
    bridge.kill("SIGKILL");
    expect(await until(() => !waiting.some(isAlive))).toBe(true);
  });
});
