import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { createGate } from "./plugin-directory.js";
import { until, zombies } from "./processes.js";
import { ffiStarter, sh, spawnerForFile } from "./spawners.js";

const execute = promisify(execFile);

describe("the ffi spawner and Node's own children", () => {
  const spawner = spawnerForFile(ffiStarter);

  it("do not disturb each other: each gets its own exit code and output", async () => {
    const ours = Array.from({ length: 30 }, async (_, i) => {
      const result = await sh(spawner, `cat; sleep 0.0${i % 10}; exit ${i}`, { stdin: `${i}` });
      expect(result).toMatchObject({ exitCode: i, text: `${i}` });
    });
    const nodes = Array.from({ length: 30 }, async (_, i) => {
      const text = await execute("/bin/sh", ["-c", `sleep 0.0${i % 7}; echo ${i}; exit ${i}`]).then(
        ({ stdout }) => stdout,
        (error) => {
          expect(error).toMatchObject({ code: i });
          return error.stdout;
        },
      );
      expect(text).toBe(`${i}\n`);
    });
    await Promise.all([...ours, ...nodes]);
    expect(await until(() => zombies().length === 0)).toBe(true);
  });

  it("leave libuv's threads free while processes run", async () => {
    const gate = createGate();
    const running = Array.from({ length: 8 }, () => sh(spawner, gate.wait));
    // They end after that, so this does not wait for their end.
    await Promise.all(Array.from({ length: 20 }, () => stat("/")));
    gate.open();
    for (const { timedOut } of await Promise.all(running)) expect(timedOut).toBe(false);
  });

  it("hold no more descriptors after 40 runs than after one", async () => {
    const open = () => readdirSync("/proc/self/fd").length;
    await sh(spawner, "sleep 0.05");
    const before = open();
    await Promise.all(
      Array.from({ length: 40 }, () => sh(spawner, "cat >/dev/null; echo x; echo y >&2", { stdin: "x" })),
    );
    await sh(spawner, "sleep 0.05");
    expect(open()).toBe(before);
  });

  it("a real-time signal, which has no name, is an exit code as in a shell", async () => {
    expect(await sh(spawner, "kill -40 $$")).toMatchObject({ exitCode: 168, signal: null });
  });
});
