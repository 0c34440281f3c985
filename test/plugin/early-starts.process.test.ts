import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { type Libc, openNative } from "../../src/host/native.js";
import { EarlyStarts } from "../../src/plugin/early-starts.js";
import { buildProgram } from "./build-program.js";
import { createDirectory, installFile } from "./plugin-directory.js";
import { children, commandLine, until } from "./processes.js";
import { ffiStarter, portableStarter, run, spawners, toCommand, toInput } from "./spawners.js";

const native = openNative();

function setUp(starter = ffiStarter()) {
  const early = new EarlyStarts(starter);
  onTestFinished(() => early.close());
  const directory = createDirectory();
  const log = join(directory, "log");
  /** A plugin that notes its start, then does this, and notes what it reads. */
  const textOf = (before = ":", name = "old") =>
    `#!/bin/sh\necho start >>${log}\n${before}\nread -r x\necho "${name} read: $x" >>${log}\necho '{}'\n`;
  const path = installFile(directory, "plugin", textOf());
  const input = toInput({ path, guarded: path, startAhead: 0, stdin: "request\n" });
  const command = toCommand(input);
  return {
    early,
    path,
    textOf,
    input,
    /** A run whose request is there from the start. */
    invoke: () => run(early, { path, guarded: path, startAhead: 0, stdin: "request\n" }),
    begin: () => early.startEarly(command),
    take: (begun: ReturnType<typeof early.startEarly>) => begun?.take(command, Deadline.after(10_000)),
    replace(text: string) {
      installFile(directory, "new", text);
      renameSync(join(directory, "new"), path);
    },
    noted: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
    ours: () => children(process.pid).filter((pid) => commandLine(pid).includes(path)),
  };
}

describe.each(spawners)("a process started early by the $name spawner", ({ create, source }) => {
  it("waits for its request, which it then has all of its time for", async () => {
    const { invoke, begin, take, noted, input } = setUp(create());
    expect(begin()).toBeUndefined();
    expect(await invoke()).toMatchObject({ text: "{}\n" });
    const begun = begin();
    expect(await until(() => noted().length === 3)).toBe(true);
    const process = await take(begun);
    expect(noted()).toEqual(["start", "old read: request", "start"]);
    expect(await take(begun)).toBeNull();
    expect(await process?.give(input.stdin, input)).toMatchObject({ exitCode: 0 });
    expect(noted().slice(2)).toEqual(["start", "old read: request"]);
  });

  it("is killed before its stdin ends, when it is not needed", async () => {
    const { invoke, begin, noted, ours, replace, textOf } = setUp(create());
    replace(textOf("trap '' TERM"));
    await invoke();
    const begun = begin();
    await until(() => noted().length === 3);
    begun?.abandon();
    expect(await until(() => ours().length === 0)).toBe(true);
    expect(noted().slice(2)).toEqual(["start"]);
  });

  it("sees the end of its stdin, and nothing of a request, when the bridge is killed", async () => {
    const { path, noted } = setUp(create());
    const text = `
      const early = new EarlyStarts(${source});
      const command = { path: ${JSON.stringify(path)}, startAhead: 0 };
      await run(early, command);
      early.startEarly({ argv0: command.path, args: [], env: { PATH: "/usr/bin:/bin" }, cwd: "/", guarded: null, ...command });
      setInterval(() => {}, 1000);
    `;
    const bridge = spawn(process.execPath, [buildProgram(text, createDirectory())], { stdio: ["ignore", "ignore", 2] });
    onTestFinished(() => void bridge.kill("SIGKILL"));
    expect(await until(() => noted().length === 3)).toBe(true);
    bridge.kill("SIGKILL");
    expect(await until(() => noted().length === 4)).toBe(true);
    expect(noted().slice(2)).toEqual(["start", "old read:"]);
  });
});

describe("an early start", () => {
  it.each([
    ["never reads its stdin", "echo '{}'; exit 0"],
    ["does something else for long before", "sleep 0.3"],
    ["waits for another descriptor before", "exec 3<>FIFO; read -r y <&3"],
  ])("is not for a plugin that %s, which is started with its request for good", async (_, before) => {
    const { early, invoke, begin, replace, textOf, path } = setUp();
    execFileSync("mkfifo", [`${path}.fifo`]);
    replace(textOf(before.replace("FIFO", `${path}.fifo`)));
    for (let n = 0; n < 5; n++) {
      const running = invoke();
      if (before.includes("FIFO")) void sleep(100).then(() => writeFileSync(`${path}.fifo`, "x\n"));
      expect(await running).toMatchObject({ text: "{}\n", exitCode: 0 });
      expect(begin()).toBeUndefined();
    }
    await early.close();
  });

  it.each([
    ["before it", true],
    ["between it and the request", false],
  ])("is of the same file alone: another one that takes its name %s is run as a new one", async (_, before) => {
    const { invoke, begin, take, noted, replace, textOf, ours } = setUp();
    await invoke();
    if (before) replace(textOf(":", "new"));
    const begun = begin();
    expect(begun === undefined).toBe(before);
    await until(() => noted().length === (before ? 2 : 3));
    if (!before) replace(textOf(":", "new"));
    expect((await take(begun)) ?? null).toBeNull();
    // At once: it may hold a lock that the next one waits for.
    expect(await until(() => ours().length === 0, 400)).toBe(true);
    await invoke();
    expect(noted().filter((line) => line.includes("read"))).toEqual(["old read: request", "new read: request"]);
  });

  it("that ended before its request was there is not used, and no later process of its number is signalled", async () => {
    const kills: unknown[] = [];
    const libc = { ...native.libc };
    const { invoke, begin, take, noted, replace, textOf } = setUp(ffiStarter({}, { ...native, libc }));
    replace(textOf("(sleep 0.3; kill $$) </dev/null >/dev/null 2>&1 &"));
    await invoke();
    const begun = begin();
    expect(await until(() => noted().length === 3)).toBe(true);
    await sleep(500);
    libc.kill = (...args) => kills.push(args);
    expect(await take(begun)).toBeNull();
    begun?.abandon();
    await sleep(20);
    expect(kills).toEqual([]);
    Object.assign(libc, native.libc);
    expect(await invoke()).toMatchObject({ text: "{}\n", exitCode: 0 });
  });

  it.each<[string, Partial<Libc>]>([
    ["EAGAIN", { spawnOnPool: async () => 11 }],
    ["EMFILE", { pipe2: () => -1 }],
    ["a library that takes no more calls", { spawnOnPool: () => Promise.reject(new Error("too many calls")) }],
  ])("that fails with %s costs nothing: the run is started with its request", async (_, faults) => {
    const libc = { ...native.libc };
    const { early, invoke, begin, take, input } = setUp(ffiStarter({}, { ...native, libc }));
    await invoke();
    // The pipes that are there already are used up.
    const first = faults.pipe2 === undefined ? undefined : await take(begin());
    Object.assign(libc, faults);
    const begun = early.startEarly({ ...toCommand(input), offThread: true });
    expect(begun).toBeDefined();
    expect(await take(begun)).toBeNull();
    Object.assign(libc, native.libc);
    expect(await invoke()).toMatchObject({ text: "{}\n" });
    await first?.abandon();
  });

  it("whose thread waits for other work is not waited for, and no second one is begun; its process is ended", async () => {
    const { early, invoke, input, take, path, ours, noted } = setUp();
    await invoke();
    // As many threads as libuv has, each in open(2).
    const fifos = [1, 2, 3, 4].map((n) => `${path}.${n}`);
    execFileSync("mkfifo", fifos);
    const opening = fifos.map((fifo) => open(fifo, "r"));
    const command = { ...toCommand(input), offThread: true };
    const begun = early.startEarly(command);
    const began = performance.now();
    expect(await take(begun)).toBeNull();
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(early.startEarly(command)).toBeUndefined();
    expect(await invoke()).toMatchObject({ text: "{}\n" });
    begun?.abandon();
    const closing = early.close();
    for (const fifo of fifos) writeFileSync(fifo, "");
    for (const file of opening) await (await file).close();
    await closing;
    expect(ours()).toEqual([]);
    expect(noted().filter((line) => line.includes("read"))).toEqual(["old read: request", "old read: request"]);
  });

  it("is not for a plugin whose processes wait since before the event, or that runs in a view", () => {
    const { early, input } = setUp(portableStarter());
    for (const startAhead of [1, undefined]) {
      expect(early.startEarly({ ...toCommand(input), startAhead })).toBeUndefined();
    }
  });
});
