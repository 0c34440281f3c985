import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";

import { Deadline } from "../../src/base/deadline.js";
import { Supervisor } from "../../src/plugin/run.js";
import { createDirectory, installNoop } from "./plugin-directory.js";
import { endProcess, isAlive, until, zombies } from "./processes.js";
import { ffiStarter, type RunChanges, run, sh, spawnerForFile, spawners, toCommand, toInput } from "./spawners.js";

// A loaded machine keeps these; a fault is half a minute away from them.
const promptlyMs = 5_000;

describe.each(spawners)("the end of a run by the $name spawner", ({ create }) => {
  const spawner = spawnerForFile(create);
  const install = (...plan: string[]) => installNoop(createDirectory(), "plugin", plan);

  it.each([
    ["exit 7", { exitCode: 7, signal: null }],
    ["kill TERM", { exitCode: null, signal: "SIGTERM" }],
    ["kill KILL", { exitCode: null, signal: "SIGKILL" }],
  ])("%s is told, with what was printed before", async (step, expected) => {
    const result = await run(spawner, { path: install("stdout before", step) });
    expect(result).toMatchObject({ ...expected, started: true, text: "before\n", timedOut: false, killed: false });
  });

  /** Runs a plan that leaves a process, whose pid it writes into a file. */
  async function leaving(plan: (pidFile: string) => readonly string[], changes: Partial<RunChanges> = {}) {
    const pidFile = join(createDirectory(), "pid");
    const result = await run(spawner, { path: install(...plan(pidFile)), ...changes });
    const left = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => endProcess(left));
    return { result, left };
  }

  it.each([
    ["background", "holds stdout"],
    ["quiet", "holds nothing"],
    ["daemon", "has left the session and holds stdout"],
  ])("a %s child, which %s, lives on and is not waited for", async (step) => {
    const { result, left } = await leaving((file) => [`${step} 30`, `run printf %s "$!" >${file}`, "answer"]);
    expect(result).toMatchObject({ exitCode: 0, text: expect.stringContaining('"plugin":"plugin"') });
    expect(result.durationMs).toBeLessThan(promptlyMs);
    expect(isAlive(left)).toBe(true);
    if (step !== "daemon") expect(result.leftGroup).toBe(result.pid);
  });

  it("killChildren ends what is left of the group", async () => {
    const plan = (file: string) => ["background 30", `run printf %s "$!" >${file}`, "answer"];
    const { result, left } = await leaving(plan, { killChildren: true });
    expect(result).toMatchObject({ exitCode: 0, killed: false, leftGroup: null });
    expect(await until(() => !isAlive(left))).toBe(true);
  });

  it("one that does not end by itself ends at its deadline, whatever it does", async () => {
    const rows = [
      ["waits", ["wait 30"], "SIGTERM"],
      ["uses the CPU", ["spin"], "SIGTERM"],
      ["ignores SIGTERM", ["ignore-term", "wait 30", "wait 30"], "SIGKILL"],
      ["ignores SIGTERM and uses the CPU", ["ignore-term", "spin"], "SIGKILL"],
      ["has stopped itself and ignores SIGTERM", ["ignore-term", "run kill -STOP $$", "spin"], "SIGKILL"],
      ["has stopped its group", ["stop"], "SIGTERM"],
      ["waits for a child that ignores SIGTERM", ["run (trap '' TERM; sleep 30) & wait"], "SIGTERM"],
      ["floods stdout below the limit", ["run while :; do echo x; sleep 0.05; done"], "SIGTERM"],
    ] as const;
    // Side by side: each of them only has to come to its end.
    const runs = rows.map(async ([title, plan, signal]) => ({
      ...{ title, signal },
      result: await run(spawner, {
        path: install(...plan),
        terminateMs: 300,
        killMs: signal === "SIGKILL" ? 500 : 10_000,
      }),
    }));
    for (const { title, signal, result } of await Promise.all(runs)) {
      expect(result, title).toMatchObject({ signal, timedOut: true, killed: signal === "SIGKILL" });
      expect(result.durationMs, title).toBeGreaterThanOrEqual(signal === "SIGKILL" ? 480 : 280);
      expect(result.durationMs, title).toBeLessThan(promptlyMs);
      expect(await until(() => !isAlive(result.pid)), title).toBe(true);
    }
  });

  it("a grandchild that holds stdout and ignores SIGTERM does not delay the result, and ends", async () => {
    const pidFile = join(createDirectory(), "pid");
    const script = `(trap '' TERM; echo $$ >/dev/null; sh -c 'echo $PPID' >${pidFile}; sleep 30) & trap '' TERM; wait; sleep 30`;
    const result = await sh(spawner, script, { terminateMs: 300, killMs: 500 });
    expect(result).toMatchObject({ timedOut: true, killed: true });
    expect(result.durationMs).toBeLessThan(promptlyMs);
    const grandchild = Number(readFileSync(pidFile, "utf8"));
    expect(await until(() => !isAlive(grandchild))).toBe(true);
  });

  it("one that ends by itself on SIGTERM keeps its exit code and output", async () => {
    const result = await sh(spawner, "trap 'echo bye; exit 4' TERM; sleep 30 & wait", {
      terminateMs: 300,
      killMs: 5_000,
    });
    expect(result).toMatchObject({ exitCode: 4, text: "bye\n", timedOut: true, killed: false });
    expect(result.durationMs).toBeLessThan(promptlyMs);
  });

  it("an abort ends it at once, and nothing is started after it", async () => {
    const own = create({ signal: AbortSignal.timeout(200) });
    onTestFinished(() => own.close());
    const result = await sh(own, "trap '' TERM; sleep 30");
    expect(await sh(own, "true")).toMatchObject({ started: false });
    expect(result).toMatchObject({ signal: "SIGKILL", killed: true, timedOut: false });
    expect(result.durationMs).toBeLessThan(promptlyMs);
  });

  it("an abort between its start and its request ends it, too", async () => {
    const controller = new AbortController();
    const own = create({ signal: controller.signal });
    onTestFinished(() => own.close());
    const input = toInput({ path: "/bin/sh", args: ["-c", "trap '' TERM; sleep 30"] });
    const started = await own.start(toCommand(input));
    controller.abort();
    expect("give" in started && (await started.give(input.stdin, input))).toMatchObject({
      ...{ killed: true, timedOut: false },
    });
  });

  it("leaves no zombie", async () => {
    await Promise.all(Array.from({ length: 10 }, () => sh(spawner, "true & sleep 0.05 & exit 1")));
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it.each([
    ["reads", "read -r line; echo $line; echo late >&2", "request\n"],
    [
      "has ended, and printed more than was read",
      "head -c 20000 /dev/zero | tr '\\0' x; echo late >&2",
      "x".repeat(20_000),
    ],
  ])("one that is started before its request is there, and %s, gives its result", async (_, script, text) => {
    const lines: string[] = [];
    const onStderrLine = (line: string) => lines.push(line);
    const input = toInput({ path: "/bin/sh", args: ["-c", script], stdin: "request\n", onStderrLine });
    const process = await spawner.start(input);
    if ("code" in process) throw new Error(process.code);
    await sleep(100);
    const result = await process.give(input.stdin, input);
    expect(result).toMatchObject({ exitCode: 0, leftGroup: null, timedOut: false });
    expect(Buffer.from(result.stdout).toString()).toBe(text);
    expect(lines).toEqual(["late"]);
  });

  it("one that is started and then not wanted is gone without a request", async () => {
    const seen = join(createDirectory(), "seen");
    const script = `read -r line && echo $line >${seen}; sleep 30`;
    const process = await spawner.start(toInput({ path: "/bin/sh", args: ["-c", script] }));
    if ("code" in process) throw new Error(process.code);
    await process.abandon();
    expect([isAlive(process.pid), existsSync(seen)]).toEqual([false, false]);
  });

  it("close waits for what runs", async () => {
    const own = create();
    const ready = join(createDirectory(), "ready");
    const pending = sh(own, `: >${ready}; sleep 0.3; echo done`);
    await until(() => existsSync(ready));
    await own.close();
    expect((await pending).text).toBe("done\n");
  });

  it("close ends what waits for a request, and refuses what comes later", async () => {
    const own = create();
    const command = { path: "/bin/cat", argv0: "cat", args: [], env: {}, cwd: "/", guarded: null };
    const start = () => own.start(command);
    const early = await start();
    const late = start();
    await own.close();
    for (const started of [early, await late, await start()]) {
      if ("pid" in started) expect(await until(() => !isAlive(started.pid))).toBe(true);
    }
    expect(await sh(own, "true")).toMatchObject({ started: false, startError: { detail: "the bridge is stopping" } });
    expect(await until(() => zombies().length === 0)).toBe(true);
    await own.close();
  });
});

describe("a run whose end is waited for before anything else is done", () => {
  const spawner = spawnerForFile(ffiStarter);

  it("has its stdout read meanwhile: it may fill a pipe", async () => {
    const { text, durationMs } = await sh(spawner, "head -c 300000 /dev/zero", { pollMs: 3_000 });
    expect(text).toHaveLength(300_000);
    expect(durationMs).toBeLessThan(2_000);
  });

  it("is one that runs alone: while others run, all are waited for by the event loop", async () => {
    const other = sh(spawner, "sleep 0.5");
    await sleep(20);
    const began = performance.now();
    const running = sh(spawner, "sleep 0.5", { pollMs: 3_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - began).toBeLessThan(400);
    expect(await Promise.all([other, running])).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }]);
  });

  it.each([
    ["its deadline", { pollMs: 3_000, terminateMs: 50 }, { timedOut: true }],
    ["that time", { pollMs: 50 }, { timedOut: false, exitCode: 0 }],
  ])("is waited for up to %s at most", async (_, times, outcome) => {
    const began = performance.now();
    const running = sh(spawner, "sleep 0.5", times);
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - began).toBeLessThan(400);
    expect(await running).toMatchObject(outcome);
  });
});

describe("Supervisor", () => {
  const signals: string[] = [];
  const signalGroup = (signal: string | number) => signals.push(String(signal)) > 0;

  it("does not wait for a process that SIGKILL does not end", async () => {
    const deadlines = { terminateAt: Deadline.after(50), killAt: Deadline.after(100) };
    const process = { exited: new Promise<never>(() => {}), pollEnd: () => undefined, signalGroup };
    const supervisor = new Supervisor(process, deadlines);
    expect(await supervisor.wait()).toEqual({ exitCode: null, signal: null });
    expect(supervisor).toMatchObject({ timedOut: true, killed: true });
    expect(signals.splice(0)).toEqual(["SIGTERM", "SIGCONT", "SIGKILL"]);
  });
});
