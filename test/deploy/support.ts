import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { execa } from "execa";

export const root = resolve(import.meta.dirname, "../..");
export const bundle = join(root, "dist/nri-v01-bridge.mjs");
/** Built by `npm run build:sea`. */
export const executable = join(root, "dist/nri-v01-bridge");

/** The versions of Node that we work with. */
export const nodes: { readonly newestLts: string; readonly versions: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(join(root, "scripts/nodes.json"), "utf8"),
);

/** Whether a program is installed. */
export function has(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((directory) => existsSync(join(directory, program)));
}

export interface RunOptions {
  /** In place of the tests' own. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end; a program that lives too long is killed, and has no code. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}) {
  const { env = process.env, cwd = root, timeoutMs = 60_000 } = options;
  const { exitCode, stdout, stderr } = await execa(program, args, {
    ...{ env, extendEnv: false, cwd, timeout: timeoutMs, killSignal: "SIGKILL" },
    ...{ reject: false, stdin: "ignore", stripFinalNewline: false },
  });
  return { code: exitCode, stdout, stderr };
}

/** The libraries that the loader takes for a program. */
export async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run("ldd", [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library = ""]) => library);
}

/** Whether a command does what it should here: what a test needs of the machine. */
export function works(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, [...args], { stdio: "ignore", timeout: 10_000 }).status === 0;
}
