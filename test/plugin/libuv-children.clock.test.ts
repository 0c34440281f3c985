import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
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

  it("a real-time signal, which has no name, is an exit code as in a shell", async () => {
    expect(await sh(spawner, "kill -40 $$")).toMatchObject({ exitCode: 168, signal: null });
  });
});
