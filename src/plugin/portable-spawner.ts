import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { finished, type Readable, type Writable } from "node:stream";
import { hasEnded, readProcessStat } from "../host/proc.js";
import { hasUnknownFormat } from "./executable-format.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors } from "./inherited.js";
import type { Command, Exit, OutputEnd, RequestEnd, Spawned, Spawner, StartFault } from "./spawner.js";

/** How long the bridge goes on reading a process's output after its end while another process holds the pipe, in milliseconds. */
const drainMs = 10;
/** Node opens this many descriptors for one start: three pairs, and a pipe of its own. */
const descriptorsPerStart = 8;

/**
 * The spawner that needs no native code: it uses execa, which it loads at the first start. Each start forks, which copies the page
 * tables of the whole bridge, so a start costs more the more memory the bridge holds. Node's pipes are socket pairs: a plugin
 * cannot open /dev/stdin, /dev/stdout or /dev/stderr by name (ENXIO).
 */
export function createPortableSpawner(): Spawner {
  closeInheritedDescriptors();
  return { name: "portable", spawn: spawnPortably, close() {} };
}

/** @throws Error when the bridge cannot try the start: no free descriptors, or an argument that execa does not take */
async function spawnPortably({ path, argv0, args, env, cwd }: Command): Promise<Spawned | StartFault> {
  if (hasUnknownFormat(path)) return { code: "ENOEXEC" };
  const { execa } = await import("execa");
  checkDescriptors();
  const child = execa(path, [...args], {
    ...{ argv0, cwd, env, extendEnv: false },
    // `detached` gives the plugin a process group of its own, so that the bridge can signal the whole group. Node does this by
    // setsid(2) only, which also makes a session and so an autogroup of the scheduler; it offers no setpgid(2), neither before the
    // child executes nor after. A helper program in between that calls setpgid(2) would cost more than the autogroup does.
    detached: true,
    // The bridge itself enforces limits, reads the output and ends the group.
    ...{ reject: false, cleanup: false, buffer: false },
  });
  // With `reject: false` execa never rejects: the error of a failed start is in its result.
  if (child.pid === undefined) return { code: errorCode((await child).cause) };
  return new PortableProcess(child.pid, child);
}

/** compat: when Node has no descriptors for a child, execa 9 loses that child, and its `error` event ends the bridge's process. */
function checkDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < descriptorsPerStart) opened.push(openSync("/dev/null", "r"));
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** A child process that execa started with three pipes. */
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
    // A plugin may end or close its stdin without reading the request: that is no error.
    stdin.on("error", () => {});
    this.stdio = {
      stdin: {
        // `end` writes what it can before it returns, so `errored` already shows an error of that write.
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

  /** Whether /proc shows the process as a zombie or not at all; this may be before Node emits `exit`. */
  hasEnded(): boolean {
    const stat = readProcessStat(this.pid, "/proc");
    return typeof stat === "string" || hasEnded(stat);
  }

  signalGroup(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.pid, signal);
    } catch (thrown) {
      // EPERM: the group has members, which run as another user now.
      return errorCode(thrown) === "EPERM";
    }
  }
}

/** The bridge's end of a process's stdout or stderr, as a Node stream. */
class StreamOutput implements OutputEnd {
  constructor(private readonly stream: Readable) {
    stream.on("error", () => {});
    // When a process ends, Node reads and discards the output that has no listener. This listener keeps the output until `read`
    // sets the real one, which may be later: a process may have ended before it gets its request.
    stream.on("readable", () => {});
  }

  read(onChunk: (chunk: Uint8Array) => void): void {
    this.stream.removeAllListeners("readable").removeAllListeners("data").on("data", onChunk);
  }

  finish(): Promise<"ended" | "held"> {
    return new Promise((resolve) => {
      // The event loop polls the pipe between a timer and an immediate, so the bridge reads the output even when the timer is late.
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
    // compat: Node's types declare a child's stdout as a Readable, but it is a Socket, which has `ref` and `unref`.
    if (!(this.stream instanceof Socket)) return;
    if (alive) this.stream.ref();
    else this.stream.unref();
  }

  close(): void {
    this.stream.destroy();
  }
}
