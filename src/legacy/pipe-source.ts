import { type ChildProcess, spawn } from "node:child_process";
import { constants, openSync } from "node:fs";

import { AnonymousPipe } from "./anonymous-pipe.js";

/** A POSIX shell names the descriptors 3 to 9; 3 is its own stdin, kept. */
const pipeDescriptors = [4, 5, 6, 7, 8, 9] as const;

/** A shell that does not answer by then is broken. */
const fillTimeoutMs = 5_000;

/**
 * Makes pipes without a name, which Node cannot: its `pipe` is a socket pair, and a plugin that opens `/dev/stdin` or
 * `/dev/stdout` by name gets ENXIO from a socket.
 *
 * A shell makes them for its pipelines; we open them through /proc and let the shell go. It waits for the end of its
 * stdin, which only we hold, and so cannot outlive us.
 */
export async function createPipes(): Promise<AnonymousPipe[]> {
  const shell = spawn("/bin/sh", ["-c", pipeScript()], {
    stdio: ["pipe", "pipe", "ignore"],
    cwd: "/",
    env: {},
    timeout: fillTimeoutMs,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<string>((resolve) => {
    shell.once("error", (thrown) => resolve(thrown.message));
    shell.once("exit", (code, signal) => resolve(`it ended with ${signal ?? code}`));
  });
  try {
    return openHolds(await Promise.race([innermostPid(shell), ended.then(failed)]));
  } finally {
    shell.stdin?.destroy();
    // Until it has ended, it is a reader of the pipes.
    await ended;
    shell.stdout?.destroy();
  }
}

function failed(reason: string): never {
  throw new Error(`/bin/sh made no pipes: ${reason}`);
}

/**
 * `: | { exec 4<&0; : | { exec 5<&0; … } }`: each pipe's writer ends at once and its reader is inherited inwards, so that
 * the innermost shell holds the reading ends of all. It says its pid, which a subshell's `$$` is not.
 */
function pipeScript(): string {
  const report = "read -r pid rest </proc/self/stat; echo $pid; read -r rest <&3";
  const pipes = [...pipeDescriptors].reverse();
  return `exec 3<&0; ${pipes.reduce((inner, descriptor) => `: | { exec ${descriptor}<&0; ${inner}; }`, report)}`;
}

function innermostPid(shell: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    shell.stdin?.on("error", () => {});
    shell.stdout?.on("error", () => {});
    shell.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.endsWith("\n")) resolve(Number(text));
    });
  });
}

function openHolds(pid: number): AnonymousPipe[] {
  const pipes: AnonymousPipe[] = [];
  try {
    for (const descriptor of pipeDescriptors) {
      const hold = openSync(`/proc/${pid}/fd/${descriptor}`, constants.O_RDONLY | constants.O_NONBLOCK);
      pipes.push(new AnonymousPipe(hold));
    }
    return pipes;
  } catch (thrown) {
    for (const pipe of pipes) pipe.close();
    throw thrown;
  }
}
