import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runCommandLine } from "../support/command-line.js";

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

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end; a program that lives too long is killed, with code null. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env = process.env, cwd = root, timeoutMs = 60_000 } = options;
  return new Promise((done) => {
    const settings = { env, cwd, timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 1 << 26 } as const;
    const child = execFile(program, [...args], settings, (_error, stdout, stderr) => {
      done({ code: child.exitCode, stdout, stderr });
    });
    child.stdin?.end();
  });
}

/** What `check` makes of a configuration, by key. @throws Error that says what is wrong with it */
export async function readSettings(yaml: string): Promise<ReadonlyMap<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "bridge-settings-"));
  try {
    const file = join(folder, "config.yaml");
    writeFileSync(file, yaml);
    const { stdout, stderr } = await runCommandLine(["check", "--json", "--config", file]);
    if (stdout === "") throw new Error(stderr);
    const settings: readonly { readonly key: string; readonly value: unknown }[] = JSON.parse(stdout).settings;
    return new Map(settings.map(({ key, value }) => [key, value]));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether a command does what it should here: what a test needs of the machine. */
export function works(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, [...args], { stdio: "ignore", timeout: 10_000 }).status === 0;
}
