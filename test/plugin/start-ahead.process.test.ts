import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";

import { silentLog } from "../../src/base/logger.js";
import { StartAhead } from "../../src/plugin/start-ahead.js";
import { buildProgram } from "./build-program.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { children, endProcess, isAlive, until, zombies } from "./processes.js";
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
      async hand(stdin = "hello\n", terminateMs = 15_000) {
        const lines: string[] = [];
        const input = toInput({ path, terminateMs, stdin, onStderrLine: (line) => lines.push(line) });
        const result = await process.hand(input.stdin, input);
        return result && { ...result, text: Buffer.from(result.stdout).toString(), lines };
      },
    };
  }

  it("serves one run, and is no survivor", async () => {
    const { process, hand, end } = await prepare(waiter);
    expect(process.listens()).toBe(true);
    const { pid } = process;
    expect(await hand()).toMatchObject({ pid, text: `${pid} hello\n`, exitCode: 0, survivors: [] });
    expect(await end).toBe("used");
    expect(await hand()).toBeNull();
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it("keeps to the limits of the run, with a request larger than a pipe", async () => {
    const { process, hand } = await prepare("#!/bin/sh\nread -r first\necho $first >&2\nwc -c\nsleep 30\n");
    expect(await hand(`line\n${"x".repeat(300_000)}`, 300)).toMatchObject({
      pid: process.pid,
      timedOut: true,
      signal: "SIGTERM",
      lines: ["line"],
      text: "300000\n",
    });
  });

  it.each([
    ["ends", "exit 0", "ended"],
    ["prints", "echo early; cat", "spoke"],
    ["prints on stderr", "echo early >&2; cat", "spoke"],
    ["is ended by a signal", "kill -KILL $$", "killed"],
  ])("that %s takes no request, and is gone", async (_, script, state) => {
    const { process, hand, end } = await prepare(`#!/bin/sh\n${script}\n`);
    expect(await end).toBe(state);
    expect(await hand()).toBeNull();
    expect(await until(() => !isAlive(process.pid))).toBe(true);
  });

  it("that closes its stdin takes no request, and is ended", async () => {
    const { process, hand, end } = await prepare("#!/bin/sh\nexec 0<&-\nsleep 60\n");
    await until(() => !existsSync(`/proc/${process.pid}/fd/0`));
    expect(await hand()).toBeNull();
    expect(await end).toBe("deaf");
    expect(await until(() => !isAlive(process.pid))).toBe(true);
  });

  it("that somebody killed takes no request, although nobody has been told of it yet", async () => {
    const { process, hand, end } = await prepare(waiter);
    endProcess(process.pid);
    // It is dead, and we are in the same turn.
    while (isAlive(process.pid));
    expect(await hand()).toBeNull();
    expect(await end).toBe("killed");
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

  it("takes the place of a start in the runs of a plugin, one after the other", async () => {
    const ahead = new StartAhead(create(), silentLog, { proofMs: 1 });
    onTestFinished(() => ahead.close());
    const path = installFile(createDirectory(), "plugin", waiter);
    const ours = () => children(process.pid).filter((pid) => commandLine(pid).includes(path));
    const invoke = () => run(ahead, { path, guarded: path, startAhead: 1, stdin: "hello\n" });
    await invoke();
    for (let n = 0; n < 2; n++) {
      expect(ours()).toEqual([]);
      ahead.rearm();
      await until(() => ours().length === 1);
      const [waiting] = ours();
      // Until it is proven.
      await sleep(20);
      expect(await invoke()).toMatchObject({ pid: waiting, text: `${waiting} hello\n` });
    }
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
        spawner.want({ path: ${JSON.stringify(path)}, guarded: null, argv0: "plugin", args: ["invoke"], env: {}, cwd: "/" }, 3);
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

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
