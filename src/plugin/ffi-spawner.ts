import { closeSync } from "node:fs";
import { constants } from "node:os";
import { attempt } from "../base/errors.js";
import { EventPoll } from "../host/event-poll.js";
import { errnoName, type Libc, type Native, sizes } from "../host/native.js";
import { closeInheritedDescriptors, type OpenFilesLimit, startingOpenFilesLimit } from "./inherited.js";
import { closePolledPipes, openPolledPipes, type PolledParts, type PolledPipes } from "./pipes.js";
import type { Command, Exit, Spawned, Spawner, StartFault } from "./spawner.js";

/** The default capacity of a Linux pipe, in bytes: one read can empty it. */
const scratchBytes = 1 << 16;
const rlimitNofile = 7;

/**
 * The fast spawner: it calls posix_spawn(3) through an FFI library. The child shares the bridge's memory until it executes the
 * plugin, so the cost does not grow with that memory, and posix_spawn returns the error of execve. The call blocks until execve, in
 * the caller's thread or, with `offThread`, in a thread of libuv's pool. Nothing else blocks: epoll tells the event loop when a
 * process ends (by its pidfd) or prints (by its pipes).
 *
 * @param openFiles the RLIMIT_NOFILE of plugins; undefined: the bridge's own
 * @throws Error when the system gives no epoll descriptor
 */
export function createFfiSpawner(
  { koffi, libc }: Native,
  openFiles: OpenFilesLimit | undefined = startingOpenFilesLimit(),
): Spawner {
  // With posix_spawn_file_actions_addclosefrom_np each child closes inherited descriptors; without it the bridge closes its own.
  if (libc.addCloseFrom === undefined) closeInheritedDescriptors();
  return new FfiSpawner({ libc, events: new EventPoll(koffi, libc), scratch: Buffer.alloc(scratchBytes) }, openFiles);
}

class FfiSpawner implements Spawner {
  readonly name = "ffi";
  private readonly attributes: Buffer;
  private readonly childLimit: BigUint64Array | undefined;
  /** The pipes of the next process. The bridge makes them while a process runs, so that no call waits for that. */
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
    // A C string ends at its first zero byte, so an argument would be cut silently; Node's spawn refuses a zero byte as well.
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
    // Node raised the bridge's own limit of open files at its start, and the child has inherited that one.
    if (this.childLimit !== undefined) libc.prlimit(child, rlimitNofile, this.childLimit, null);
    // While the bridge holds the plugin's ends too, it sees no end of the data on stdout and stderr.
    for (const descriptor of pipes.pluginEnds) closeSync(descriptor);
    this.refill ??= setImmediate(() => {
      this.refill = undefined;
      // An error is ignored here: the next spawn opens its pipes itself and reports it.
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

/** The POSIX_SPAWN_* flags; the numbers are the same in glibc and musl. */
const flags = { setGroup: 0x02, setDefaultSignals: 0x04, setSignalMask: 0x08 } as const;

/**
 * The attributes of each child. The child leads a process group of its own, so that the bridge can signal the whole group, and
 * stays in the bridge's session: with a session of its own (POSIX_SPAWN_SETSID) the scheduler would put the child into an autogroup
 * of its own, and its start would take twice the time on a busy machine. The child has default signal actions (Node ignores
 * SIGPIPE) and an empty signal mask.
 */
function createAttributes(libc: Libc): Buffer {
  const attributes = Buffer.alloc(sizes.spawnAttributes);
  libc.initAttributes(attributes);
  // Fresh attributes have the process group 0, which stands for the child's own pid.
  libc.setAttributeFlags(attributes, flags.setDefaultSignals | flags.setSignalMask | flags.setGroup);
  // sigfillset(3) leaves out the two signals that the C library uses itself, and posix_spawn sets those to be ignored unless this
  // mask has them.
  libc.setDefaultSignals(attributes, Buffer.alloc(sizes.signalSet, 0xff));
  libc.setSignalMask(attributes, Buffer.alloc(sizes.signalSet));
  return attributes;
}

/**
 * Calls `spawn` with the file actions that the child carries out before it executes the plugin: it takes the descriptors as 0, 1
 * and 2, closes all others, and changes to its directory. When the library cannot add an action (ENOMEM), `spawn` is not called:
 * the child would run in the bridge's directory or on the bridge's stdio.
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
/**
 * POLLIN. A `struct pollfd` ends in two 16-bit fields, `events` and `revents`: here one number, with `revents` in its upper half.
 */
const pollIn = 1;
/** The interval of waitpid(2) for a process whose pidfd the bridge cannot watch, in milliseconds. */
const reapIntervalMs = 10;

/** A child process that libuv does not know. The bridge sees its end by a pidfd and reaps only this pid, so no child of libuv. */
class FfiProcess implements Spawned {
  readonly exited: Promise<Exit>;
  private exit: Exit | undefined;
  private alive = false;
  /** Negative when pidfd_open(2) failed, as for want of memory, and once it is closed. */
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
    // A process whose end `pollEnd` sees in this turn of the event loop needs no watch.
    setImmediate(() => this.watch());
  }

  pollEnd(ms: number): Exit | undefined {
    const { stdout } = this.stdio;
    const until = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0 && this.pidfd >= 0; leftMs = until - performance.now()) {
      const polled = Int32Array.of(this.pidfd, pollIn, stdout.openDescriptor, pollIn);
      if (this.parts.libc.poll(polled, 2, Math.ceil(leftMs)) <= 0) break;
      const [, ended = 0, , printed = 0] = polled;
      // A value above `pollIn` has bits in `revents`. The plugin may wait until the bridge reads its full stdout pipe.
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
    // The kernel had no memory for a pidfd or its watch. The timer is unref'd: `keepAlive` alone decides what keeps the event loop
    // alive.
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
    // EPERM: the group has members, which run as another user now.
    const number = signal === 0 ? 0 : constants.signals[signal];
    return libc.kill(-this.pid, number) === 0 || libc.lastError() === "EPERM";
  }

  /** How the process ended; undefined while it runs. */
  private reap(): Exit | undefined {
    const status = new Int32Array(1);
    const result = this.parts.libc.waitpid(this.pid, status, noHang);
    if (result === 0) return undefined;
    // ECHILD: another library has reaped the process, so its exit status is lost.
    return result === this.pid ? parseExitStatus(status[0] ?? 0) : { exitCode: null, signal: null };
  }
}

const signalBits = 0x7f;
const signalNames = Object.keys(constants.signals).filter((name): name is NodeJS.Signals => name in constants.signals);

/** Converts the status of waitpid(2) to Node's form: an exit code or the name of a signal. */
function parseExitStatus(status: number): Exit {
  const signal = status & signalBits;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  // When two names have one number (SIGABRT, SIGIOT), this takes the one that Node lists first.
  const name = signalNames.find((each) => constants.signals[each] === signal);
  // Node has no name for a real-time signal: the exit code is 128 plus the signal's number, as in a shell.
  return name === undefined ? { exitCode: 128 + signal, signal: null } : { exitCode: null, signal: name };
}
