import { afterAll } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { openNative } from "../../src/host/native.js";
import { createFfiSpawner } from "../../src/plugin/ffi-spawner.js";
import { createPortableSpawner } from "../../src/plugin/portable-spawner.js";
import {
  ProcessStarter,
  type RunOptions,
  type RunResult,
  type StartCommand,
  type Starter,
  type StarterOptions,
  startAndGive,
} from "../../src/plugin/start.js";

/** Every way of running processes: one suite for all. */
export const spawners: ReadonlyArray<{
  readonly name: string;
  readonly create: (options?: StarterOptions) => ProcessStarter;
  /** The same, for the text of a program of its own; `options` is there. */
  readonly source: string;
  /** Whose session its processes are in: Node knows no group of its own without a session of its own. */
  readonly session: "our" | "its own";
  /** What 0, 1 and 2 are: a socket cannot be opened by name. */
  readonly stdio: "pipe" | "socket";
}> = [
  {
    name: "portable",
    create: portableStarter,
    source: "new ProcessStarter(createPortableSpawner(), options)",
    session: "its own",
    stdio: "socket",
  },
  {
    name: "ffi",
    create: ffiStarter,
    source: "new ProcessStarter(createFfiSpawner(openNative()), options)",
    session: "our",
    stdio: "pipe",
  },
];

export function portableStarter(options?: StarterOptions): ProcessStarter {
  return new ProcessStarter(createPortableSpawner(), options);
}

export function ffiStarter(
  options?: StarterOptions,
  ...system: Partial<Parameters<typeof createFfiSpawner>>
): ProcessStarter {
  const [native = openNative(), openFiles] = system;
  return new ProcessStarter(createFfiSpawner(native, openFiles), options);
}

/** A starter for the tests of one file. */
export function spawnerForFile(create: () => ProcessStarter): ProcessStarter {
  const spawner = create();
  afterAll(() => spawner.close());
  return spawner;
}

export type RunInput = StartCommand & RunOptions & { readonly stdin: Uint8Array };

export interface Run extends RunResult {
  readonly text: string;
  readonly lines: readonly string[];
  readonly durationMs: number;
}

export type RunChanges = Partial<Omit<RunInput, "stdin">> & {
  readonly path: string;
  readonly stdin?: string | Uint8Array;
  readonly terminateMs?: number;
  readonly killMs?: number;
};

/** What most tests want of a run; more time than any test has. */
export function toInput({
  stdin = "",
  terminateMs = 15_000,
  killMs = terminateMs + 200,
  ...rest
}: RunChanges): RunInput {
  return {
    argv0: rest.path,
    guarded: null,
    args: ["invoke"],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    cwd: "/",
    terminateAt: Deadline.after(terminateMs),
    killAt: Deadline.after(killMs),
    limits: { stdoutBytes: 1 << 20, stderrLines: 100 },
    onStderrLine: () => {},
    killChildren: false,
    pollMs: 5,
    ...rest,
    stdin: typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin,
  };
}

/** What of it is the command, and so the same for each run. */
export function toCommand({ path, argv0, args, env, cwd, guarded, conf, startAhead }: RunInput): StartCommand {
  return { path, argv0, args, env, cwd, guarded, conf, startAhead };
}

export async function run(spawner: Starter, changes: RunChanges): Promise<Run> {
  const lines: string[] = [];
  const onStderrLine = (line: string) => {
    lines.push(line);
    changes.onStderrLine?.(line);
  };
  const input = toInput({ ...changes, onStderrLine });
  const began = performance.now();
  const result = await startAndGive(spawner, toCommand(input), input.stdin, input);
  return { ...result, text: new TextDecoder().decode(result.stdout), lines, durationMs: performance.now() - began };
}

/** Runs shell text. */
export function sh(spawner: Starter, script: string, changes: Partial<RunChanges> = {}): Promise<Run> {
  return run(spawner, { path: "/bin/sh", argv0: "sh", args: ["-c", script], ...changes });
}
