import { execFileSync, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Candidate } from "./measure.js";

/** The folder of the programs that are compiled here, from the project's. */
export const sources = resolve("bench");

/** Something to measure that is a process of its own. */
export type Floor = Candidate & { close(): void };

/** What a C compiler makes of a file. @throws Error where there is none */
export function compile(source: string, target: string, ...flags: readonly string[]): string {
  execFileSync("cc", ["-O2", ...flags, "-o", target, source]);
  return target;
}

/** As compile, without the dynamic linker's time where the C library allows that. */
export function compileStatic(source: string, target: string): string {
  try {
    return compile(source, target, "-static");
  } catch {
    return compile(source, target);
  }
}

/** The smallest plugin. */
export function installTiny(directory: string): string {
  return compileStatic(join(sources, "tiny.c"), join(directory, "tiny"));
}

/** A plugin run by posix_spawn from C, with a request as large as 1.6's for a container with a conf: what no program does faster. */
export function startSpawnFloor(name: string, directory: string, plugin: string): Floor {
  return startFloor(name, directory, "floor", ["1700", plugin, "invoke"]);
}

/** A program that does it once for each line that it is sent, and answers with the microseconds. */
export function startFloor(name: string, directory: string, program: "floor" | "echo", args: readonly string[]): Floor {
  const child = spawn(compile(join(sources, `${program}.c`), join(directory, program)), args, {
    stdio: ["pipe", "pipe", "inherit"],
    // As small as what the candidates hand over.
    env: { PATH: "/usr/bin:/bin" },
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    name,
    async run() {
      child.stdin.write("\n");
      const { value } = await lines.next();
      return Number(value);
    },
    close: () => void child.stdin.end(),
  };
}
