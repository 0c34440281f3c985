import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";

/** How a command ended: its exit code (undefined after a signal, or when it cannot be started) and all it printed. */
export interface CommandResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Over the environment of the tests. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Runs a command to its end, for two minutes at most. A failing exit code is a result. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const ended = await execa(command, args, {
    ...{ reject: false, stdin: "ignore", stripFinalNewline: false, timeout: 120_000, killSignal: "SIGKILL" },
    ...options,
  });
  return { code: ended.exitCode, stdout: ended.stdout, stderr: ended.stderr || (ended.originalMessage ?? "") };
}

/** Runs a command that has to succeed and returns its stdout; else throws with all it said. */
export async function mustRun(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(command, args, options);
  if (result.code === 0) return result.stdout;
  throw new Error(`${command} ${args.join(" ")}: exit ${result.code}: ${result.stderr || result.stdout}`);
}

/** Waits until `ready` gives a value other than undefined; throws with `what` after the time. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  ready: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await ready();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(20);
  }
}
