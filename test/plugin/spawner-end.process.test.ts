import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";

import { createDirectory, createGate, installNoop } from "./plugin-directory.js";
import { endProcess, isAlive, until, zombies } from "./processes.js";
import { run, sh, spawnerForFile, spawners } from "./spawners.js";

// A loaded machine keeps these; a fault is half a minute away from them.
const promptlyMs = 5_000;

describe.each(spawners)("the end of a run by the $name spawner", ({ create }) => {
  const spawner = spawnerForFile(create);
  const install = (...plan: string[]) => installNoop(createDirectory(), "plugin", plan);

  it.each([
    ["exit 0", { exitCode: 0, signal: null }],
    ["exit 7", { exitCode: 7, signal: null }],
    ["kill TERM", { exitCode: null, signal: "SIGTERM" }],
    ["kill KILL", { exitCode: null, signal: "SIGKILL" }],
    ["kill SEGV", { exitCode: null, signal: "SIGSEGV" }],
  ])("%s is told, with what was printed before", async (step, expected) => {
    const result = await run(spawner, { path: install("stdout before", step) });
    expect(result).toMatchObject({ ...expected, started: true, text: "before\n", timedOut: false, killed: false });
  });

  it.each([
    ["background", "holds stdout"],
    ["quiet", "holds nothing"],
    ["daemon", "has left the session and holds stdout"],
  ])("a %s child, which %s, lives on and is not waited for", async (step) => {
    const pidFile = join(createDirectory(), "pid");
    const path = install(`${step} 30`, `run printf %s "$!" >${pidFile}`, "answer");
    const result = await run(spawner, { path });
    const child = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => endProcess(child));
    expect(result).toMatchObject({ exitCode: 0, text: expect.stringContaining('"plugin":"plugin"') });
    expect(result.durationMs).toBeLessThan(promptlyMs);
    expect(isAlive(child)).toBe(true);
    if (step !== "daemon") expect(result.survivors).toContain(child);
  });

  it("killChildren ends what is left of the group", async () => {
    const pidFile = join(createDirectory(), "pid");
    const path = install("background 30", `run printf %s "$!" >${pidFile}`, "answer");
    const result = await run(spawner, { path, killChildren: true });
    const child = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => endProcess(child));
    expect(result).toMatchObject({ exitCode: 0, killed: false, survivors: [] });
    expect(await until(() => !isAlive(child))).toBe(true);
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

  it("names a daemon that has left the group and lost its parent, when the deadline ends the plugin", async () => {
    const pidFile = join(createDirectory(), "pid");
    const script = `setsid sh -c 'sleep 30 & echo $! >${pidFile}'; sleep 30`;
    const result = await run(spawner, { path: "/bin/sh", argv0: "sh", args: ["-c", script], terminateMs: 500 });
    const daemon = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => endProcess(daemon));
    expect(result.timedOut).toBe(true);
    expect(result.survivors).toEqual([daemon]);
  });

  it("names a child that has left the group, when the deadline ends the plugin", async () => {
    const pidFile = join(createDirectory(), "pid");
    const path = install("daemon 30", `run printf %s "$!" >${pidFile}`, "wait 30");
    const result = await run(spawner, { path, terminateMs: 500 });
    const child = Number(readFileSync(pidFile, "utf8"));
    onTestFinished(() => endProcess(child));
    expect(result.timedOut).toBe(true);
    expect(result.survivors).toEqual([child]);
  });

  it("one that ends by itself on SIGTERM keeps its exit code and output", async () => {
    const result = await sh(spawner, "trap 'echo bye; exit 4' TERM; sleep 30 & wait", {
      terminateMs: 300,
      killMs: 5_000,
    });
    expect(result).toMatchObject({ exitCode: 4, text: "bye\n", timedOut: true, killed: false });
    expect(result.durationMs).toBeLessThan(promptlyMs);
  });

  it("an abort ends it at once", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    const result = await sh(spawner, "trap '' TERM; sleep 30", { signal: controller.signal });
    expect(result).toMatchObject({ signal: "SIGKILL", killed: true, timedOut: false });
    expect(result.durationMs).toBeLessThan(promptlyMs);
  });

  it("50 at a time have each their own stdio", async () => {
    const directory = createDirectory();
    const gate = createGate();
    // None ends before all have begun.
    const script = `read -r line; : >${directory}/$line; ${gate.wait}; echo "$line"`;
    const requests = Array.from({ length: 50 }, (_, i) => `request-${i}`);
    const runs = requests.map((stdin) => sh(spawner, script, { stdin: `${stdin}\n` }));
    await until(() => readdirSync(directory).length === requests.length, 10_000);
    gate.open();
    expect((await Promise.all(runs)).map(({ text }) => text)).toEqual(requests.map((request) => `${request}\n`));
  });

  it("leaves no zombie", async () => {
    await Promise.all(Array.from({ length: 10 }, () => sh(spawner, "true & sleep 0.05 & exit 1")));
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it("close waits for what runs", async () => {
    const own = create();
    const pending = sh(own, "sleep 0.3; echo done");
    await own.close();
    expect((await pending).text).toBe("done\n");
  });

  it("close ends what waits for a request, and refuses what comes later", async () => {
    const own = create();
    const command = { path: "/bin/cat", argv0: "cat", args: [], env: {}, cwd: "/", guarded: null };
    const early = await own.prepare(command);
    const late = own.prepare(command);
    await own.close();
    for (const preparation of [early, await late, await own.prepare(command)]) {
      if (preparation.started) expect(await until(() => !isAlive(preparation.process.pid))).toBe(true);
    }
    expect(await sh(own, "true")).toMatchObject({ started: false, startError: { detail: "the spawner is closed" } });
    expect(await until(() => zombies().length === 0)).toBe(true);
    await own.close();
  });
});
