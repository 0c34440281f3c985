import { runCommandLine as runVerb } from "../../src/cli/program.js";

export type CommandLineEnd = Awaited<ReturnType<typeof runCommandLine>>;

interface CommandLineOptions {
  /** The tests' own environment when not given. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Aborted when nobody reads stdout any more; never when not given. */
  readonly readerGone?: AbortSignal;
}

/**
 * Runs a command line in this process, as `main` does in one of its own: `await runCommandLine(["check", "--json"])`.
 * Tests that hold more than one room go through this file, the only one that knows where the program is in `src`.
 */
export async function runCommandLine(
  args: readonly string[],
  { environment = process.env, readerGone = new AbortController().signal }: CommandLineOptions = {},
) {
  let stdout = "";
  let stderr = "";
  const code = await runVerb({
    args,
    fileName: "nri-v01-bridge",
    environment,
    readerGone,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  // A log writes its lines in the turn after; main's exit would, too.
  await new Promise((nextTurn) => setImmediate(nextTurn));
  return { code, stdout, stderr };
}

/** JSON by lines, read. */
export function jsonLines(text: string) {
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}
