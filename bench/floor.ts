import { execFileSync, spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Candidate } from "./measure.js";

/** Something to measure that is a process of its own. */
export type Floor = Candidate & { close(): void };

/** What a C compiler makes of a file of this folder; undefined when there is none. */
export function compile(source: string, target: string, ...flags: readonly string[]): string | undefined {
  try {
    execFileSync("cc", ["-O2", ...flags, "-o", target, source], { stdio: "ignore" });
    return target;
  } catch {
    return undefined;
  }
}

/** The smallest plugin; `cat`, which answers with its request, where there is no compiler. */
export function installTiny(sources: string, directory: string): string {
  const target = join(directory, "tiny");
  const tiny = join(sources, "tiny.c");
  const made = compile(tiny, target, "-static") ?? compile(tiny, target);
  if (made === undefined) copyFileSync("/bin/cat", target);
  return target;
}

/** A plugin run by posix_spawn from C: what no program does faster. undefined where there is no compiler. */
export function createFloor(
  name: string,
  sources: string,
  directory: string,
  requestBytes: number,
  argv: readonly string[],
): Floor | undefined {
  const program = compile(join(sources, "floor.c"), join(directory, "floor"));
  return program === undefined ? undefined : startFloor(name, program, [String(requestBytes), ...argv]);
}

/** A request and its answer over a unix socket between two C programs. undefined where there is no compiler. */
export function createRawFloor(
  name: string,
  sources: string,
  directory: string,
  bytes: { readonly request: number; readonly answer: number },
): Floor | undefined {
  const program = compile(join(sources, "echo.c"), join(directory, "echo"));
  if (program === undefined) return undefined;
  return startFloor(name, program, [String(bytes.request), String(bytes.answer)]);
}

/** A program that does it once for each line that it is sent, and answers with the microseconds. */
function startFloor(name: string, program: string, args: readonly string[]): Floor {
  const child = spawn(program, args, {
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
