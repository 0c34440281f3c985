import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { finished, type Readable, type Writable } from "node:stream";
import { hasEnded, readProcessStat } from "../host/proc.js";
import { hasUnknownFormat } from "./executable-format.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors } from "./inherited.js";
import type { Command, Exit, OutputEnd, RequestEnd, Spawned, Spawner, StartFault } from "./spawner.js";

/** How long after the end of a process its output is read, while another process holds the other end. */
const drainMs = 10;
/** As many descriptors as Node opens for one start: three pairs, and a pipe of its own. */
const descriptorsPerStart = 8;

/**
 * The spawner that needs nothing but Node: execa, which is loaded when it is needed first. Each start copies the page tables of
 * the whole bridge (fork), so it costs more the more memory we hold. Node's pipes are socket pairs: a process cannot open /dev/stdin, /dev/stdout or /dev/stderr by name (ENXIO).
 */
export function createPortableSpawner(): Spawner {
  closeInheritedDescriptors();
  return { name: "portable", spawn: spawnPortably, close() {} };
}

/** @throws what keeps it from being tried: no descriptors, an argument that execa does not take */
async function spawnPortably({ path, argv0, args, env, cwd }: Command): Promise<Spawned | StartFault> {
  if (hasUnknownFormat(path)) return { code: "ENOEXEC" };
  const { execa } = await import("execa");
  checkDescriptors();
  const child = execa(path, [...args], {
    ...{ argv0, cwd, env, extendEnv: false },
    // A group of its own, which we end. Node knows setsid(2) alone for that, and no setpgid(2), neither for a child to be nor for
    // one that runs; a program between us that knows it costs more than the scheduler's autogroup does.
    detached: true,
    // Limits, output and the end of a group are ours.
    ...{ reject: false, cleanup: false, buffer: false },
  });
  // execa rejects nothing here: what went wrong is in the result.
  if (child.pid === undefined) return { code: errorCode((await child).cause) };
  return new PortableProcess(child.pid, child);
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

/** A child of execa's with pipes. */
type Child = Pick<ChildProcess, "once" | "ref" | "unref"> & {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
};

class PortableProcess implements Spawned {
  readonly exited: Promise<Exit>;
  readonly stdio: { readonly stdin: RequestEnd; readonly stdout: StreamOutput; readonly stderr: StreamOutput };

  constructor(
    readonly pid: number,
    private readonly child: Child,
  ) {
    const { stdin, stdout, stderr } = child;
    // A plugin need not read its request.
    stdin.on("error", () => {});
    this.stdio = {
      stdin: {
        // Node writes what it can at once: an error of this moment is there already.
        send: (request) => stdin.writable && stdin.end(request).errored === null,
        close: () => void stdin.destroy(),
      },
      stdout: new StreamOutput(stdout),
      stderr: new StreamOutput(stderr),
    };
    this.exited = new Promise((resolve) => {
      child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
    });
  }

  keepAlive(alive: boolean): void {
    if (alive) this.child.ref();
    else this.child.unref();
    this.stdio.stdout.keepAlive(alive);
    this.stdio.stderr.keepAlive(alive);
  }

  pollEnd(): undefined {}

  /** Until Node has heard of its end and reaped it. */
  hasEnded(): boolean {
    const stat = readProcessStat(this.pid, "/proc");
    return typeof stat === "string" || hasEnded(stat);
  }

  signalGroup(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.pid, signal);
    } catch (thrown) {
      // EPERM: members that have become another user.
      return errorCode(thrown) === "EPERM";
    }
  }
}

/** Our end of a process's stdout or stderr, as a stream of Node's. */
class StreamOutput implements OutputEnd {
  constructor(private readonly stream: Readable) {
    stream.on("error", () => {});
    // At its process's end Node reads on, and throws away, what has no reader but this one: it may get its request later.
    stream.on("readable", () => {});
  }

  read(onChunk: (chunk: Uint8Array) => void): void {
    this.stream.removeAllListeners("readable").removeAllListeners("data").on("data", onChunk);
  }

  finish(): Promise<"ended" | "held"> {
    return new Promise((resolve) => {
      // The pipe is read between the two, however late we are.
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
