import { closeSync } from "node:fs";
import { constants } from "node:os";
import { attempt } from "../base/errors.js";
import { EventPoll } from "../host/event-poll.js";
import { errnoName, type Libc, type Native, sizes } from "../host/native.js";
import { closeInheritedDescriptors, type OpenFilesLimit, startingOpenFilesLimit } from "./inherited.js";
import { closePolledPipes, openPolledPipes, type PolledParts, type PolledPipes } from "./pipes.js";
import type { Command, Exit, Spawned, Spawner, StartFault } from "./spawner.js";

/** As much as a pipe holds. */
const scratchBytes = 1 << 16;
const rlimitNofile = 7;

/**
 * The fast spawner: posix_spawn(3) through an FFI library. The C library shares our memory with the child until it executes, so
 * the cost does not grow with it, and what execve answers comes back; it blocks the caller until then, or a thread of libuv's
 * pool where the caller has other work. Nothing else waits: the ends of processes and their output come to the event loop by
 * descriptors.
 *
 * @param openFiles the limit that plugins get; undefined for ours
 * @throws Error when the system gives no epoll descriptor
 */
export function createFfiSpawner(
  { koffi, libc }: Native,
  openFiles: OpenFilesLimit | undefined = startingOpenFilesLimit(),
): Spawner {
  // Where the C library can, each child closes what it is not to have.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  return new FfiSpawner({ libc, events: new EventPoll(koffi, libc), scratch: Buffer.alloc(scratchBytes) }, openFiles);
}

class FfiSpawner implements Spawner {
  readonly name = "ffi";
  private readonly attributes: Buffer;
  private readonly childLimit: BigUint64Array | undefined;
  /** The pipes of the next process, made while the one before it runs: no call waits for that. */
  private spare: PolledPipes | undefined;
  private refill: NodeJS.Immediate | undefined;

  constructor(
    private readonly parts: PolledParts,
    openFiles: OpenFilesLimit | undefined,
  ) {
    this.attributes = createAttributes(parts.libc);
    this.childLimit = openFiles && BigUint64Array.of(openFiles.soft, openFiles.hard);
  }

  async spawn(command: Command): Promise<Spawned | StartFault> {
    const { libc } = this.parts;
    const argv = [command.argv0, ...command.args];
    const envp = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
    // C would end a text at its first zero byte; Node refuses such a one.
    if ([command.path, command.cwd, ...argv, ...envp].some((text) => text.includes("\0"))) return { code: "EINVAL" };
    const pipes = this.spare ?? openPolledPipes(this.parts);
    this.spare = undefined;
    const pid = new Int32Array(1);
    const spawn = command.offThread ? libc.spawnOnPool : libc.spawn;
    const errno = await withActions(libc, command.cwd, pipes.pluginEnds, (actions) =>
      spawn(pid, command.path, actions, this.attributes, [...argv, null], [...envp, null]),
    );
    if (errno !== 0) {
      closePolledPipes(pipes);
      return { code: errnoName(errno) };
    }
    const [child = 0] = pid;
    // Node raised our own limit, which the child has until now.
    if (this.childLimit !== undefined) libc.prlimit(child, rlimitNofile, this.childLimit, null);
    // While we hold them, the end of the data is not seen.
    for (const descriptor of pipes.pluginEnds) closeSync(descriptor);
    this.refill ??= setImmediate(() => {
      this.refill = undefined;
      // The error is reported when the next process needs them.
      this.spare ??= attempt(() => openPolledPipes(this.parts));
    });
    return new FfiProcess(child, pipes.ends, this.parts);
  }

  close(): void {
    clearImmediate(this.refill);
    if (this.spare !== undefined) closePolledPipes(this.spare);
    this.spare = undefined;
    this.parts.events.close();
  }
}

/** The same numbers in glibc and musl. */
const flags = { setGroup: 0x02, setDefaultSignals: 0x04, setSignalMask: 0x08 } as const;

/**
 * The child leads a process group of its own, which we end, in our session: with a session of its own (POSIX_SPAWN_SETSID) it
 * would be an autogroup of its own to the scheduler, and on a busy machine be started in twice the time. It has default signals
 * (Node ignores SIGPIPE) and an empty mask.
 */
function createAttributes(libc: Libc): Buffer {
  const attributes = Buffer.alloc(sizes.spawnAttributes);
  libc.initAttributes(attributes);
  // The group's number is 0 in fresh attributes: the child's own pid.
  libc.setAttributeFlags(attributes, flags.setDefaultSignals | flags.setSignalMask | flags.setGroup);
  // Not by sigfillset(3), which leaves out the C library's own two: posix_spawn has those ignored, unless they are set.
  libc.setDefaultSignals(attributes, Buffer.alloc(sizes.signalSet, 0xff));
  libc.setSignalMask(attributes, Buffer.alloc(sizes.signalSet));
  return attributes;
}

/**
 * Calls back with what the child does before it executes: it takes the descriptors as 0, 1 and 2, closes all others, and goes to
 * its directory. Without one of them (ENOMEM) it would run in our directory, on our stdio.
 *
 * @returns errno, or 0
 */
async function withActions(
  libc: Libc,
  cwd: string,
  stdio: readonly number[],
  spawn: (actions: Buffer) => number | Promise<number>,
): Promise<number> {
  const actions = Buffer.alloc(sizes.fileActions);
  const unready = libc.initActions(actions);
  if (unready !== 0) return unready;
  try {
    for (const [target, descriptor] of stdio.entries()) {
      const errno = libc.addDup2(actions, descriptor, target);
      if (errno !== 0) return errno;
    }
    return libc.addCloseFrom?.(actions, 3) || libc.addChdir(actions, cwd) || (await spawn(actions));
  } finally {
    libc.destroyActions(actions);
  }
}

const noHang = 1;
/** In the lower half of `struct pollfd`'s last four bytes are the events that are asked for, in the upper those that came. */
const pollIn = 1;
/** How often to look for the end of a process that the system does not watch for us. */
const reapIntervalMs = 10;

/** A child of ours that libuv does not know: we hear of its end by a pidfd, and reap it, and no other. */
class FfiProcess implements Spawned {
  readonly exited: Promise<Exit>;
  private exit: Exit | undefined;
  private alive = false;
  /** Negative where the system has no memory for it, and when it is closed. */
  private pidfd: number;
  private settle: (exit: Exit) => void = () => {};
  private stopWatching: (() => void) | undefined;

  constructor(
    readonly pid: number,
    readonly stdio: PolledPipes["ends"],
    private readonly parts: PolledParts,
  ) {
    this.keepAlive(true);
    this.pidfd = parts.libc.pidfdOpen(pid);
    this.exited = new Promise((resolve) => {
      this.settle = resolve;
    });
    // One that is waited for in this turn needs no watch.
    setImmediate(() => this.watch());
  }

  pollEnd(ms: number): Exit | undefined {
    const { stdout } = this.stdio;
    const until = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0 && this.pidfd >= 0; leftMs = until - performance.now()) {
      const polled = Int32Array.of(this.pidfd, pollIn, stdout.openDescriptor, pollIn);
      if (this.parts.libc.poll(polled, 2, Math.ceil(leftMs)) <= 0) break;
      const [, ended = 0, , printed = 0] = polled;
      // Both have the events that came in their upper half. It may wait for a full pipe to be read.
      if (printed > pollIn) stdout.readSome();
      if (ended > pollIn) this.look();
    }
    return this.exit;
  }

  private watch(): void {
    const look = () => this.look();
    if (this.exit !== undefined) {
      look();
      return;
    }
    this.stopWatching = this.pidfd < 0 ? undefined : this.parts.events.watch(this.pidfd, look);
    if (this.stopWatching !== undefined) return;
    // The system has no memory for it. What keeps the event loop alive is keepAlive's.
    const timer = setInterval(look, reapIntervalMs).unref();
    this.stopWatching = () => clearInterval(timer);
  }

  private look(): void {
    if (!this.hasEnded() || this.exit === undefined) return;
    this.stopWatching?.();
    this.stopWatching = undefined;
    if (this.pidfd >= 0) closeSync(this.pidfd);
    this.pidfd = -1;
    this.keepAlive(false);
    this.settle(this.exit);
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

  signalGroup(signal: NodeJS.Signals | 0): boolean {
    const { libc } = this.parts;
    // EPERM: members that have become another user.
    const number = signal === 0 ? 0 : constants.signals[signal];
    return libc.kill(-this.pid, number) === 0 || libc.lastError() === "EPERM";
  }

  /** undefined while it runs. */
  private reap(): Exit | undefined {
    const status = new Int32Array(1);
    const result = this.parts.libc.waitpid(this.pid, status, noHang);
    if (result === 0) return undefined;
    // ECHILD: another library has reaped it, and how it ended is not to be known.
    return result === this.pid ? parseExitStatus(status[0] ?? 0) : { exitCode: null, signal: null };
  }
}

const signalBits = 0x7f;
const signalNames = Object.keys(constants.signals).filter((name): name is NodeJS.Signals => name in constants.signals);

/** The status that waitpid(2) gives, as Node has it: an exit code or the name of a signal. */
function parseExitStatus(status: number): Exit {
  const signal = status & signalBits;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  // Of two names for one number (SIGABRT, SIGIOT) the one that Node puts first.
  const name = signalNames.find((each) => constants.signals[each] === signal);
  // A real-time signal has no name; its end is told as shells tell it.
  return name === undefined ? { exitCode: 128 + signal, signal: null } : { exitCode: null, signal: name };
}
