import { Deadline } from "../../../src/base/deadline.js";
import { createPortableSpawner } from "../../../src/plugin/portable-spawner.js";
import type { Spawner, SpawnOptions, SpawnResult } from "../../../src/plugin/spawner.js";

export type Run = SpawnResult & { readonly text: string; readonly stderr: readonly string[] };

/** Options of a run with nothing on stdin and ten seconds to live. */
export function runOptions(path: string, args: readonly string[] = [], stdin = ""): SpawnOptions {
  return {
    path,
    argv0: path,
    args,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
    cwd: "/",
    guarded: null,
    stdin: Buffer.from(stdin),
    terminateAt: Deadline.after(10_000),
    killAt: Deadline.after(11_000),
    limits: { stdoutBytes: 1 << 20, stderrLines: 100 },
    onStderrLine: () => {},
    killChildren: false,
  };
}

export async function runToEnd(options: SpawnOptions, spawner: Pick<Spawner, "run">): Promise<Run> {
  const stderr: string[] = [];
  const result = await spawner.run({ ...options, onStderrLine: (line) => stderr.push(line) });
  return { ...result, text: Buffer.from(result.stdout).toString("utf8"), stderr };
}

/** A spawner for the tests of one file. */
export function portableSpawner(): Spawner {
  return createPortableSpawner();
}
