import { afterAll } from "vitest";

import { Deadline } from "../../src/base/deadline.js";
import { openNative } from "../../src/host/native.js";
import { createFfiSpawner } from "../../src/plugin/ffi-spawner.js";
import { createPortableSpawner } from "../../src/plugin/portable-spawner.js";
import type { Spawner, SpawnOptions, SpawnResult } from "../../src/plugin/spawner.js";

/** Every way of running processes: one suite for all. */
export const spawners: ReadonlyArray<{
  readonly name: string;
  readonly create: () => Spawner;
  /** The same, for the text of a program of its own. */
  readonly source: string;
  /** Whose session its processes are in: Node knows no group of its own without a session of its own. */
  readonly session: "our" | "its own";
  /** What 0, 1 and 2 are: a socket cannot be opened by name. */
  readonly stdio: "pipe" | "socket";
}> = [
  {
    name: "portable",
    create: createPortableSpawner,
    source: "createPortableSpawner()",
    session: "its own",
    stdio: "socket",
  },
  {
    name: "ffi",
    create: () => createFfiSpawner(openNative()),
    source: "createFfiSpawner(openNative())",
    session: "our",
    stdio: "pipe",
  },
];

/** A spawner for the tests of one file. */
export function spawnerForFile(create: () => Spawner): Spawner {
  const spawner = create();
  afterAll(() => spawner.close());
  return spawner;
}

export interface Run extends SpawnResult {
  readonly text: string;
  readonly lines: readonly string[];
}

export type RunOptions = Partial<Omit<SpawnOptions, "stdin">> & {
  readonly path: string;
  readonly stdin?: string | Uint8Array;
  readonly terminateMs?: number;
  readonly killMs?: number;
};

/** Runs with what most tests want; more time than any test has. */
export async function run(spawner: Spawner, options: RunOptions): Promise<Run> {
  const { stdin = "", terminateMs = 15_000, killMs = terminateMs + 200, ...rest } = options;
  const lines: string[] = [];
  const result = await spawner.run({
    argv0: options.path,
    guarded: null,
    args: ["invoke"],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    cwd: "/",
    terminateAt: Deadline.after(terminateMs),
    killAt: Deadline.after(killMs),
    limits: { stdoutBytes: 1 << 20, stderrLines: 100 },
    onStderrLine: (line) => lines.push(line),
    killChildren: false,
    ...rest,
    stdin: typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin,
  });
  return { ...result, text: new TextDecoder().decode(result.stdout), lines };
}

/** Runs shell text. */
export function sh(spawner: Spawner, script: string, options: Partial<RunOptions> = {}): Promise<Run> {
  return run(spawner, { path: "/bin/sh", argv0: "sh", args: ["-c", script], ...options });
}
