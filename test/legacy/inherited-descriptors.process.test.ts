import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";

import { buildProgram } from "./build-program.js";
import { createDirectory } from "./plugin-directory.js";
import { children, isAlive, processesWith, until } from "./processes.js";
import { spawners } from "./spawners.js";

/** A program of its own, because only what a process is started with can be inherited. */
const program = (source: string) => `
  import { Deadline } from "./deadline.js";
  const spawner = ${source};
  const options = {
    path: "/bin/ls", argv0: "ls", args: ["/proc/self/fd"], env: {}, cwd: "/", guarded: null, stdin: new Uint8Array(1700),
    terminateAt: Deadline.after(10000), killAt: Deadline.after(10000), limits: { stdoutBytes: 1e6, stderrLines: 9 },
    onStderrLine: console.error, killChildren: false,
  };
  const { stdout } = await spawner.run(options);
  process.stdout.write(stdout);
  if (process.argv[2] === "forever") {
    const together = Array.from({ length: 40 }, async () => {
      for (;;) await spawner.run({ ...options, path: "/bin/sh", argv0: "sh", args: ["-c", "sleep 0.01 &"] });
    });
    await Promise.all(together);
  }
  // No close: what is held between runs must not keep the program alive.
`;

describe("a program that runs plugins", () => {
  it.each(spawners)(
    "hands on no descriptor that it was started with, and ends when it has nothing to do: $name",
    async ({ source }) => {
      const path = buildProgram(program(source), createDirectory());
      const stray = openSync("/dev/null", "r");
      onTestFinished(() => closeSync(stray));
      // 3 to 29 are inherited, as by a runtime that forgot to mark them.
      const stdio = ["ignore", "pipe", "inherit", ...Array.from({ length: 27 }, () => stray)] as const;
      const child = spawn(process.execPath, [path], { stdio: [...stdio] });
      let text = "";
      child.stdout?.on("data", (chunk) => {
        text += chunk;
      });
      const code = await new Promise((resolved) => child.once("close", resolved));
      expect(text.trim().split("\n")).toEqual(["0", "1", "2", "3"]);
      expect(code).toBe(0);
    },
  );

  it("leaves no shell behind when it is killed", async () => {
    const path = buildProgram(program("createPortableSpawner()"), createDirectory());
    const child = spawn(process.execPath, [path, "forever"], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await new Promise((resolved) => child.stdout?.once("data", resolved));
    let shells: number[] = [];
    await until(() => {
      const ours = children(child.pid ?? 0);
      shells = processesWith("exec 9<&0").filter((pid) => ours.includes(pid));
      return shells.length > 0;
    });
    child.kill("SIGKILL");
    expect(await until(() => !shells.some(isAlive))).toBe(true);
  });
});
