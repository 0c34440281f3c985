import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Candidate } from "./measure.js";

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
export function installTiny(sources: string, directory: string): string {
  return compileStatic(join(sources, "tiny.c"), join(directory, "tiny"));
}

/** A plugin run by posix_spawn from C: what no program does faster. */
export function createFloor(
  name: string,
  sources: string,
  directory: string,
  requestBytes: number,
  argv: readonly string[],
): Floor {
  const program = compile(join(sources, "floor.c"), join(directory, "floor"));
  return startFloor(name, program, [String(requestBytes), ...argv]);
}

/** A request and its answer over a unix socket between two C programs. */
export function createRawFloor(
  name: string,
  sources: string,
  directory: string,
  bytes: { readonly request: number; readonly answer: number },
): Floor {
  const program = compile(join(sources, "echo.c"), join(directory, "echo"));
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
