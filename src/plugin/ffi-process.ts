import { closeSync } from "node:fs";
import { constants } from "node:os";

import type { PolledEnds } from "./polled-ends.js";
import type { PolledParts } from "./polled-output.js";
import type { StartedProcess } from "./started-process.js";
import type { Exit } from "./supervise.js";

const noHang = 1;
/** How often to look for the end of a process that the system gave no pidfd for: descriptors are used up. */
const reapIntervalMs = 10;

/** A child of ours that libuv does not know: we hear of its end by a pidfd, and reap it, and no other. */
export class FfiProcess implements StartedProcess {
  readonly exited: Promise<Exit>;
  private exit: Exit | undefined;
  private alive = false;

  constructor(
    readonly pid: number,
    readonly stdio: PolledEnds,
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

  close(): void {
    this.stdio.close();
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
