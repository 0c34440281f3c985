import { errnoName, type Libc, sizes } from "../host/native.js";
import type { Command, StartFault } from "./spawner.js";

/** The same numbers in glibc and musl. */
const flags = { setGroup: 0x02, setDefaultSignals: 0x04, setSignalMask: 0x08 } as const;
const rlimitNofile = 7;
/** Descriptors that the C library may need for itself while our own limit is lowered. */
const spareDescriptors = 64;

/** The limit of open files that a process is to have: RLIMIT_NOFILE. */
export interface OpenFilesLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/**
 * posix_spawn(3): the C library shares our memory with the child until it executes, so the cost does not grow with it,
 * and what execve answers comes back. It blocks the caller until then.
 *
 * The child leads a process group of its own, in our session: with a session of its own (POSIX_SPAWN_SETSID) it would be an
 * autogroup of its own to the scheduler, and on a busy machine be started in twice the time. It has default signals (Node
 * ignores SIGPIPE), an empty mask, the given descriptors as 0, 1 and 2, and no other.
 */
export class PosixSpawn {
  private readonly attributes = Buffer.alloc(sizes.spawnAttributes);
  private readonly actions = Buffer.alloc(sizes.fileActions);
  private readonly pid = new Int32Array(1);
  private readonly childLimit: BigUint64Array | undefined;
  private readonly ownLimit: BigUint64Array | undefined;

  /** `openFiles`: the child's limit; without it the child has ours. */
  constructor(
    private readonly libc: Libc,
    private readonly openFiles?: OpenFilesLimit,
  ) {
    // Not by sigfillset(3), which leaves out the C library's own two: posix_spawn has those ignored, unless they are set.
    const allSignals = Buffer.alloc(sizes.signalSet, 0xff);
    libc.initAttributes(this.attributes);
    // The group's number is 0 in fresh attributes: the child's own pid.
    libc.setAttributeFlags(this.attributes, flags.setDefaultSignals | flags.setSignalMask | flags.setGroup);
    libc.setDefaultSignals(this.attributes, allSignals);
    libc.setSignalMask(this.attributes, Buffer.alloc(sizes.signalSet));
    if (openFiles === undefined) return;
    this.childLimit = BigUint64Array.of(openFiles.soft, openFiles.hard);
    this.ownLimit = BigUint64Array.of(openFiles.hard, openFiles.hard);
  }

  /** Starts a process and gives its pid; the descriptors stay open here. */
  spawn(command: Command, stdio: readonly [number, number, number]): number | StartFault {
    const argv = [command.argv0, ...command.args];
    const envp = Object.entries(command.env).map(([name, value]) => `${name}=${value}`);
    // C would end a text at its first zero byte; Node refuses such a one.
    if ([command.path, command.cwd, ...argv, ...envp].some((text) => text.includes("\0"))) {
      return { code: "EINVAL" };
    }
    const errno = this.spawnWith(command, stdio, [...argv, null], [...envp, null]);
    return errno === 0 ? (this.pid[0] ?? 0) : { code: errnoName(errno) };
  }

  /** errno, or 0. Whatever happens, the actions are freed and our own limit is as it was. */
  private spawnWith(
    { path, cwd }: Command,
    stdio: readonly [number, number, number],
    argv: readonly (string | null)[],
    envp: readonly (string | null)[],
  ): number {
    const { libc, actions, attributes, pid } = this;
    const unready = libc.initActions(actions);
    if (unready !== 0) return unready;
    try {
      const refused = this.addActions(cwd, stdio);
      if (refused !== 0) return refused;
      const lowered = this.lowerOwnLimit(stdio);
      try {
        const errno = libc.spawn(pid, path, actions, attributes, argv, envp);
        if (errno === 0 && !lowered) this.setLimit(pid[0] ?? 0, this.childLimit);
        return errno;
      } finally {
        if (lowered) this.setLimit(0, this.ownLimit);
      }
    } finally {
      libc.destroyActions(actions);
    }
  }

  /** errno of the first that is refused (ENOMEM: a child without it would run in our directory, on our stdio), or 0. */
  private addActions(cwd: string, stdio: readonly [number, number, number]): number {
    const { libc, actions } = this;
    for (const [target, descriptor] of stdio.entries()) {
      const errno = libc.addDup2(actions, descriptor, target);
      if (errno !== 0) return errno;
    }
    return libc.addCloseFrom?.(actions, 3) || libc.addChdir(actions, cwd);
  }

  /**
   * The child inherits the limit that we have in that moment. With many descriptors open, another thread of ours could
   * fail to open a file meanwhile: then the limit is set on the child, just after its start.
   */
  private lowerOwnLimit(stdio: readonly number[]): boolean {
    if (this.openFiles === undefined) return false;
    if (BigInt(Math.max(...stdio) + spareDescriptors) >= this.openFiles.soft) return false;
    return this.setLimit(0, this.childLimit);
  }

  /** pid 0 is ourselves. */
  private setLimit(pid: number, limit: BigUint64Array | undefined): boolean {
    return limit !== undefined && this.libc.prlimit(pid, rlimitNofile, limit, null) === 0;
  }
}
