import { closeSync } from "node:fs";
import { constants } from "node:os";
import { errorText } from "../base/errors.js";
import { EventPoll } from "../host/event-poll.js";
import type { Native } from "../host/native.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors, startingOpenFilesLimit } from "./inherited.js";
import { closePolledPipes, openPolledPipes, type PolledParts, type PolledPipes } from "./pipes.js";
import { type OpenFilesLimit, PosixSpawn } from "./posix-spawn.js";
import type { Command, Exit, Spawned, Spawner, StartFault, StdioEnds } from "./spawner.js";

/** As much as a pipe holds. */
const scratchBytes = 1 << 16;

/**
 * The fast spawner: posix_spawn(3) through an FFI library. Nothing of it grows with our memory, and nothing of it waits:
 * the ends of processes and their output come to the event loop by descriptors.
 *
 * Processes lead a group of their own, as those of the portable spawner do: a terminal's signals are for us, and we end the
 * group.
 *
 * @param openFiles what plugins get; undefined for what we have ourselves
 * @throws Error when the system gives no epoll descriptor
 */
export function createFfiSpawner(
  { koffi, libc }: Native,
  openFiles: OpenFilesLimit | undefined = startingOpenFilesLimit(),
): Spawner {
  // Where the C library can, each child closes what it is not to have.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  const parts = {
    libc,
    events: new EventPoll(koffi, libc),
    scratch: Buffer.alloc(scratchBytes),
    status: new Int32Array(1),
  };
  return new FfiSpawner(new PosixSpawn(libc, openFiles), parts);
}

/** Starts processes by posix_spawn(3), each on new pipes. */
class FfiSpawner implements Spawner {
  readonly name = "ffi";
  /** The pipes of the next process, made while the one before it runs: that time is nobody's. */
  private spare: PolledPipes | undefined;
  private refill: NodeJS.Immediate | undefined;

  constructor(
    private readonly posix: PosixSpawn,
    private readonly parts: PolledParts,
  ) {}

  spawn(command: Command): Spawned | StartFault {
    let pipes: PolledPipes;
    try {
      pipes = this.takePipes();
    } catch (thrown) {
      const code = errorCode(thrown);
      return { code, detail: `no pipes for its stdio: ${code}` };
    }
    const { ends, pluginEnds } = pipes;
    let pid: number | StartFault;
    try {
      pid = this.posix.spawn(command, pluginEnds);
    } catch (thrown) {
      pid = { code: errorCode(thrown), detail: `posix_spawn: ${errorText(thrown)}` };
    }
    if (typeof pid !== "number") {
      closePolledPipes(pipes);
      return pid;
    }
    // While we hold them, the end of the data is not seen.
    for (const descriptor of pluginEnds) closeSync(descriptor);
    this.refill ??= setImmediate(() => this.makeSpare());
    return new FfiProcess(pid, ends, this.parts);
  }

  close(): void {
    clearImmediate(this.refill);
    if (this.spare !== undefined) closePolledPipes(this.spare);
    this.spare = undefined;
    this.parts.events.close();
  }

  private takePipes(): PolledPipes {
    const { spare } = this;
    this.spare = undefined;
    return spare ?? openPolledPipes(this.parts);
  }

  private makeSpare(): void {
    this.refill = undefined;
    try {
      this.spare ??= openPolledPipes(this.parts);
    } catch {
      // The next process that needs them says what is wrong.
    }
  }
}

const noHang = 1;
/** How often to look for the end of a process that the system gave no pidfd for: descriptors are used up. */
const reapIntervalMs = 10;

/** A child of ours that libuv does not know: we hear of its end by a pidfd, and reap it, and no other. */
class FfiProcess implements Spawned {
  readonly exited: Promise<Exit>;
  private exit: Exit | undefined;
  private alive = false;

  constructor(
    readonly pid: number,
    readonly stdio: StdioEnds,
    private readonly parts: PolledParts,
  ) {
    this.keepAlive(true);
    this.exited = new Promise((resolve) => {
      const stop = this.watch(() => {
        if (!this.hasEnded() || this.exit === undefined) return;
        stop();
        this.keepAlive(false);
        resolve(this.exit);
      });
    });
  }

  keepAlive(alive: boolean): void {
    if (alive === this.alive) return;
    this.alive = alive;
    if (alive) this.parts.events.hold();
    else this.parts.events.letGo();
  }

  hasEnded(): boolean {
    this.exit ??= this.reap();
    return this.exit !== undefined;
  }

  /** As ProcessGroup says it, without the exception that Node makes of the usual answer: it costs more than the call. */
  groupIsAlive(): boolean {
    const { libc } = this.parts;
    // EPERM: members that have become another user.
    return libc.kill(-this.pid, 0) === 0 || libc.lastError() === "EPERM";
  }

  /** Calls back when it has ended, and perhaps before. */
  private watch(onChange: () => void): () => void {
    const pidfd = this.parts.libc.pidfdOpen(this.pid);
    const unwatch = pidfd < 0 ? undefined : this.parts.events.watch(pidfd, onChange);
    // What keeps the event loop alive is keepAlive's.
    const timer = unwatch === undefined ? setInterval(onChange, reapIntervalMs).unref() : undefined;
    return () => {
      clearInterval(timer);
      unwatch?.();
      if (pidfd >= 0) closeSync(pidfd);
    };
  }

  /** undefined while it runs. */
  private reap(): Exit | undefined {
    const { libc, status } = this.parts;
    const result = libc.waitpid(this.pid, status, noHang);
    if (result === 0) return undefined;
    // ECHILD: somebody else has reaped it, and how it ended is not to be known.
    return result === this.pid ? parseExitStatus(status[0] ?? 0) : { exitCode: null, signal: null };
  }
}

const signalBits = 0x7f;

/** The status that waitpid(2) gives, as Node has it: an exit code or the name of a signal. */
function parseExitStatus(status: number): Exit {
  const signal = status & signalBits;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  const name = signalNames.get(signal);
  // A real-time signal has no name; its end is told as shells tell it.
  return name === undefined ? { exitCode: 128 + signal, signal: null } : { exitCode: null, signal: name };
}

/** Of two names for one number (SIGABRT, SIGIOT) the one that Node puts first. */
const signalNames = new Map(
  Object.entries(constants.signals)
    .flatMap(([name, number]): [number, NodeJS.Signals][] => (isSignal(name) ? [[number, name]] : []))
    .reverse(),
);

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
