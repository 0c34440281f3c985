import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
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
  let waiting: (() => void)[] = [];
  const wake = () => {
    for (const check of waiting.splice(0)) check();
  };
  if (child.stdout !== null) {
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line);
      wake();
    });
  }
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      wake();
      resolve();
    });
  });
  const line = (prefix: string) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = lines.find((candidate) => candidate.startsWith(prefix));
        if (found !== undefined) resolve(found);
        else if (child.exitCode !== null || child.signalCode !== null) reject(new Error(`it ended without ${prefix}`));
        else waiting = [...waiting, check];
      };
      check();
    });
  return { child, lines, line, ended };
}
