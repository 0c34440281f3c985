import { errorCode } from "./go-errors.js";
import type { SpawnCommand } from "./spawner.js";
import type { Exit, RunningProcess } from "./supervise.js";

/** The plugin's ends of its pipes. */
export interface StdioDescriptors {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

export interface NodeProcess extends RunningProcess {
  readonly code?: undefined;
  keepAlive(alive: boolean): void;
}

/** `code`: such as ENOENT. */
export type StartAttempt = NodeProcess | { readonly code: string };

/** Starts a process on three descriptors by execa, which is loaded when it is needed first. */
export async function startProcess(command: SpawnCommand, stdio: StdioDescriptors): Promise<StartAttempt> {
  const { stdin, stdout, stderr } = stdio;
  if (!isDescriptor(stdin) || !isDescriptor(stdout) || !isDescriptor(stderr)) return { code: "EBADF" };
  const { execa } = await import("execa");
  // execa throws nothing and rejects nothing here: what went wrong is in the result.
  const child = execa(command.path, [...command.args], {
    argv0: command.argv0,
    cwd: command.cwd,
    env: command.env,
    extendEnv: false,
    stdio: [stdin, stdout, stderr],
    // A group of its own, which we end. Node knows setsid(2) alone for that (`detached`), and no setpgid(2), neither for a child
    // to be nor for one that runs; a program between us that knows it costs more than the scheduler's autogroup does.
    detached: true,
    reject: false,
    // Limits, output and the end of a group are ours.
    cleanup: false,
    buffer: false,
  });
  const { pid } = child;
  if (pid === undefined) {
    const { cause } = await child;
    return { code: errorCode(cause) };
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  return { pid, exited, keepAlive: (alive) => (alive ? child.ref() : child.unref()) };
}

/** compat: of the descriptors that execa hands on to Node, all, its types name 3 to 9. */
function isDescriptor(value: number): value is 3 | 4 | 5 | 6 | 7 | 8 | 9 {
  return value > 2;
}
