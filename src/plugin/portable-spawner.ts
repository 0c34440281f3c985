import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { finished, type Readable, type Writable } from "node:stream";

import { hasUnknownFormat } from "./executable-format.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors } from "./inherited.js";
import { ProcessGroup } from "./process-group.js";
import { ProcessSpawner } from "./process-spawner.js";
import { readProcessStat } from "./process-tree.js";
import type { SpawnCommand, Spawner } from "./spawner.js";
import type { OutputEnd, ProcessStarter, Start, StdioEnds } from "./started-process.js";
import type { Exit, RunningProcess } from "./supervise.js";

/** How long after the end of a process its output is read, while another process holds the other end. */
const drainMs = 10;
/** As many descriptors as Node opens for one start: three pairs, and a pipe of its own. */
const descriptorsPerStart = 8;

/**
 * The spawner that needs nothing but Node: execa, which is loaded when it is needed first. Each start copies the page tables of
 * the whole bridge (fork), so it costs more the more memory we hold. Node's pipes are socket pairs: a process cannot open
 * /dev/stdin, /dev/stdout or /dev/stderr by name (ENXIO).
 *
 * @param onStart told of each process as soon as it is there
 * @param onCrowded told of each whose background children are not read from any more, so that few descriptors are held
 */
export function createPortableSpawner(
  onStart?: (process: RunningProcess) => void,
  onCrowded?: (pid: number, most: number) => void,
): Spawner {
  closeInheritedDescriptors();
  return new ProcessSpawner(portableStarter, onStart, onCrowded);
}

const portableStarter: ProcessStarter = {
  name: "portable",
  async start(command, request) {
    try {
      return await start(command, request);
    } catch (thrown) {
      return refused(errorCode(thrown));
    }
  },
  close() {},
};

/** @throws what keeps it from being tried: no descriptors, an argument that execa does not take */
async function start(command: SpawnCommand, request: Uint8Array | null): Promise<Start> {
  if (hasUnknownFormat(command.path)) return refused("ENOEXEC");
  const { execa } = await import("execa");
  checkDescriptors();
  const child = execa(command.path, [...command.args], {
    argv0: command.argv0,
    cwd: command.cwd,
    env: command.env,
    extendEnv: false,
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
    // execa rejects nothing here: what went wrong is in the result.
    const { cause } = await child;
    return refused(errorCode(cause));
  }
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const stdio = new StreamEnds(child.stdin, new StreamOutput(child.stdout), new StreamOutput(child.stderr));
  if (request !== null) stdio.send(request);
  return {
    started: true,
    process: {
      pid,
      exited,
      stdio,
      keepAlive(alive) {
        if (alive) child.ref();
        else child.unref();
        stdio.keepAlive(alive);
      },
      // Until Node has heard of its end and reaped it.
      hasEnded: () => (readProcessStat(pid)?.state ?? "Z") === "Z",
      groupIsAlive: () => new ProcessGroup(pid).isAlive(),
      close: () => stdio.close(),
    },
  };
}

/** compat: execa 9 loses a child that Node has no descriptors for, and the `error` event of that child ends our process. */
function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < descriptorsPerStart) opened.push(openSync("/dev/null", "r"));
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function refused(code: string): Start {
  return { started: false, error: { code } };
}

/** Our ends of one process's pipes, as streams of Node's. */
class StreamEnds implements StdioEnds {
  constructor(
    private readonly stdin: Writable,
    readonly stdout: StreamOutput,
    readonly stderr: StreamOutput,
  ) {
    // A plugin need not read its request.
    stdin.on("error", () => {});
  }

  /** Node writes what it can at once: an error of this moment is there already. */
  send(request: Uint8Array): boolean {
    if (!this.stdin.writable) return false;
    this.stdin.end(request);
    return this.stdin.errored === null;
  }

  closeStdin(): void {
    this.stdin.destroy();
  }

  keepAlive(alive: boolean): void {
    this.stdout.keepAlive(alive);
    this.stderr.keepAlive(alive);
  }

  close(): void {
    this.stdin.destroy();
    this.stdout.close();
    this.stderr.close();
  }
}

/** Our end of a process's stdout or stderr, as a stream of Node's. */
class StreamOutput implements OutputEnd {
  private onChunk: (chunk: Uint8Array) => void = () => {};

  constructor(private readonly stream: Readable) {
    stream.on("error", () => {});
    stream.on("data", (chunk: Uint8Array) => this.onChunk(chunk));
  }

  read(onChunk: (chunk: Uint8Array) => void): void {
    this.onChunk = onChunk;
  }

  finish(): Promise<"ended" | "held"> {
    return new Promise((resolve) => {
      // What lies in the pipe is read between the two, however late we are.
      const timer = setTimeout(() => setImmediate(() => resolve("held")), drainMs);
      this.linger(() => {
        clearTimeout(timer);
        resolve("ended");
      });
    });
  }

  linger(onEnd: () => void): void {
    finished(this.stream, { writable: false }, onEnd);
  }

  keepAlive(alive: boolean): void {
    // compat: Node's types say Readable, and a child's is a socket.
    if (!(this.stream instanceof Socket)) return;
    if (alive) this.stream.ref();
    else this.stream.unref();
  }

  close(): void {
    this.stream.destroy();
  }
}
