import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The built program: what a user runs. */
export const program = resolve(import.meta.dirname, "../../dist/nri-v01-bridge.mjs");

interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program while it runs. */
export type RunningProgram = ReturnType<typeof startProgram>;

/** Starts the built program. It is killed when it lives longer than the limit. */
export function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  limitMs = 15_000,
  file = program,
) {
  const child = spawn(process.execPath, [file, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<ProgramEnd>((done) => {
    child.once("close", (code, signal) => done({ code, signal, stdout, stderr }));
  });
  return {
    child,
    ended,
    /** What it has printed on stderr so far. */
    stderrSoFar: () => stderr,
    /** Resolves when stderr has matched; rejects when the program ends first. */
    async stderrMatches(pattern: RegExp) {
      while (!pattern.test(stderr)) {
        if (child.stderr.closed) throw new Error(`ended without ${pattern}: ${stderr.slice(-4000)}`);
        await sleep(10);
      }
    },
  };
}

/** Runs the built program to its end. */
export function runProgram(args: readonly string[], env?: NodeJS.ProcessEnv, file?: string) {
  return startProgram(args, env, undefined, file).ended;
}
