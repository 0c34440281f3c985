import { spawn } from "node:child_process";
import { closeSync, copyFileSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import { describe, expect, it, onTestFinished } from "vitest";

import { createDirectory } from "./plugin-directory.js";
import { isAlive, processesWith, until } from "./processes.js";

/** A program of its own, because only what a process is started with can be inherited. */
function build(source: string, directory: string): string {
  const outfile = join(directory, "program.mjs");
  buildSync({
    stdin: { contents: source, resolveDir: resolve(import.meta.dirname, "../../src"), loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
    // As scripts/build.mjs does: CommonJS packages call require.
    banner: { js: 'import{createRequire as r}from"node:module";const require=r(import.meta.url);' },
    logLevel: "silent",
  });
  return outfile;
}

/** The native file of the FFI library, which the build puts beside the bundle. */
const nativeFile = resolve(import.meta.dirname, "../../dist/koffi.node");

const program = (create: string) => `
  import { Deadline } from "./deadline.js";
  import { openNative } from "./ffi/native.js";
  import { createFfiSpawner } from "./legacy/ffi-spawner.js";
  import { createPortableSpawner } from "./legacy/portable-spawner.js";

  const spawner = ${create};
  const options = {
    path: "/bin/ls", argv0: "ls", args: ["/proc/self/fd"], env: {}, cwd: "/", stdin: new Uint8Array(1700),
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
  it.each(["createPortableSpawner()", "createFfiSpawner(openNative())"])(
    "hands on no descriptor that it was started with, and ends when it has nothing to do: %s",
    async (create) => {
      const directory = createDirectory();
      copyFileSync(nativeFile, join(directory, "koffi.node"));
      const path = build(program(create), directory);
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
    const path = build(program("createPortableSpawner()"), createDirectory());
    const child = spawn(process.execPath, [path, "forever"], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await new Promise((resolved) => child.stdout?.once("data", resolved));
    let shells: number[] = [];
    await until(() => {
      shells = processesWith("exec 9<&0");
      return shells.length > 0;
    });
    child.kill("SIGKILL");
    expect(await until(() => !shells.some(isAlive))).toBe(true);
  });
});
