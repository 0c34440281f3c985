import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { buildSync } from "esbuild";

/** Makes a program of this folder something that node runs. */
export function buildProgram(name: string, folder: string): string {
  const outfile = join(folder, `${name}.mjs`);
  const entry = join(import.meta.dirname, `${name}.ts`);
  buildSync({ entryPoints: [entry], bundle: true, platform: "node", format: "esm", outfile, logLevel: "silent" });
  return outfile;
}

/** A program that runs, and the lines that it has printed so far. */
export interface Running {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  /** Resolves with the first line that begins so. */
  line(prefix: string): Promise<string>;
  readonly ended: Promise<void>;
}

export function runProgram(path: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const lines: string[] = [];
  if (child.stdout !== null) createInterface(child.stdout).on("line", (line) => void lines.push(line));
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      over = true;
      resolve();
    });
  });
  async function line(prefix: string): Promise<string> {
    for (;;) {
      const found = lines.find((candidate) => candidate.startsWith(prefix));
      if (found !== undefined) return found;
      if (over) throw new Error(`it ended without ${prefix}`);
      await sleep(5);
    }
  }
  return { child, lines, line, ended };
}
