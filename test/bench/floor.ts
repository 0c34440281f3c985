import { execFileSync, spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Candidate } from "./measure.js";

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
): (Candidate & { close(): void }) | undefined {
  const program = compile(join(sources, "floor.c"), join(directory, "floor"));
  if (program === undefined) return undefined;
  const child = spawn(program, [String(requestBytes), ...argv], {
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
