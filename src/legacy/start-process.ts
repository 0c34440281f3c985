import { spawn } from "node:child_process";
import { closeSync } from "node:fs";

import { errorCode } from "./go-errors.js";
import type { StdioPipes } from "./pipe-pool.js";
import type { SpawnOptions } from "./spawner.js";
import type { Exit, RunningProcess } from "./supervise.js";

/** An installer that writes the binary is done with it soon, or it is no installer. */
const maxBusyAttempts = 20;
const busyPauseMs = 5;

export type Start =
  | ({ readonly started: true } & RunningProcess)
  | { readonly started: false /** Such as ENOENT. */; readonly code: string };

/** Starts a process on these pipes; tries again for a while when its file is just being written ("text file busy"). */
export async function startProcess(options: SpawnOptions, stdio: StdioPipes): Promise<Start> {
  for (let attempt = 1; ; attempt++) {
    const start = await startOnce(options, stdio);
    if (start.started || start.code !== "ETXTBSY") return start;
    if (attempt === maxBusyAttempts || options.terminateAt.expired) return start;
    await new Promise((resolve) => setTimeout(resolve, busyPauseMs));
  }
}

/** Node throws some of the system's errors and emits others. */
async function startOnce(options: SpawnOptions, stdio: StdioPipes): Promise<Start> {
  const ends: number[] = [];
  try {
    ends.push(stdio.stdin.openPluginEnd("read"));
    ends.push(stdio.stdout.openPluginEnd("write"));
    ends.push(stdio.stderr.openPluginEnd("write"));
    const child = spawn(options.path, [...options.args], {
      argv0: options.argv0,
      cwd: options.cwd,
      env: options.env,
      stdio: ends,
      // A session, and so a process group, of its own.
      detached: true,
    });
    const { pid } = child;
    if (pid === undefined) {
      return await new Promise((resolve) => {
        child.once("error", (thrown) => resolve({ started: false, code: errorCode(thrown) }));
      });
    }
    const exited = new Promise<Exit>((resolve) => {
      child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
    });
    return { started: true, pid, exited };
  } catch (thrown) {
    return { started: false, code: errorCode(thrown) };
  } finally {
    // Ours too are the plugin's ends: while we hold them, nobody sees the end of the data.
    for (const end of ends) closeSync(end);
  }
}
