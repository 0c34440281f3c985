import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";

import { buildProgram } from "./build-program.js";
import { createDirectory } from "./plugin-directory.js";
import { spawners } from "./spawners.js";

/** A program of its own, because only what a process is started with can be inherited. */
const program = (source: string) => `
  import { Deadline } from "./base/deadline.js";
  const spawner = ${source};
  const options = {
    path: "/bin/ls", argv0: "ls", args: ["/proc/self/fd"], env: {}, cwd: "/", guarded: null, stdin: new Uint8Array(1700),
    terminateAt: Deadline.after(10000), killAt: Deadline.after(10000), limits: { stdoutBytes: 1e6, stderrLines: 9 },
    onStderrLine: console.error, killChildren: false,
  };
  const { stdout } = await spawner.run(options);
  process.stdout.write(stdout);
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
});
