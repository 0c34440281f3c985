import { setTimeout as sleep } from "node:timers/promises";
import type { Deadline } from "../base/deadline.js";

/** What to execute. */
export interface SpawnCommand {
  /** The executable, absolute. */
  readonly path: string;
  /** argv[0], which need not be the path. */
  readonly argv0: string;
  /** argv[1] and on. */
  readonly args: readonly string[];
  /** The whole environment: nothing is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /**
   * The file that none but root may be able to change: looked at before each start, and before a request is given to a process
   * that waits. null with `permissions: trust`.
   */
  readonly guarded: string | null;
  /** What the process may read elsewhere before its stdin: one started ahead serves only while it is the same. */
  readonly conf?: string;
}

/** One process to run to its end. */
export interface SpawnOptions extends SpawnCommand {
  /** All that the process finds on its stdin. */
  readonly stdin: Uint8Array;
  /** When the process group gets SIGTERM. */
  readonly terminateAt: Deadline;
  /** When the process group gets SIGKILL. */
  readonly killAt: Deadline;
  readonly limits: {
    /** More on stdout ends the group. */
    readonly stdoutBytes: number;
    /** More lines on stderr are counted, not handed on. */
    readonly stderrLines: number;
  };
  /** Called for each line on stderr, also for those of background children after the run. */
  readonly onStderrLine: (line: string) => void;
  /** End what is left of the process group after a normal end. */
  readonly killChildren: boolean;
  /** Looks at `guarded`, with what the chain knows of directories already; findPermissionFault when not given. */
  readonly permissionFaultOf?: ((path: string) => string | null) | undefined;
  /** Ends the group at once. */
  readonly signal?: AbortSignal;
  /**
   * So many processes of this command wait for a request, started ahead, where a spawner does that; 0 ends those that wait.
   * undefined: a run besides, in a place of its own, which leaves them as they are.
   */
  readonly startAhead?: number | undefined;
}

/** How a process ended. Whatever happened is here: a run is never a throw. */
export interface SpawnResult {
  /** 0 when it was not started. */
  readonly pid: number;
  readonly started: boolean;
  /**
   * `code`: ENOENT, EACCES, ENOEXEC, ETXTBSY, and so on; `detail`: what is known besides; `refusal`: why it was not tried: what
   * others than root can change of it.
   */
  readonly startError?: { readonly code: string; readonly detail?: string; readonly refusal?: string };
  /** null when a signal ended it, or when it has not ended. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it printed up to its end, at most `limits.stdoutBytes`. */
  readonly stdout: Uint8Array;
  /** The deadline passed and the group was sent SIGTERM. */
  readonly timedOut: boolean;
  /** The group was sent SIGKILL before the process had ended. */
  readonly killed: boolean;
  readonly outputTooLarge: boolean;
  /**
   * Processes of it that live on, as far as they are known: members of its group, or, when that was ended, those outside of it
   * that have its pipes.
   */
  readonly survivors: readonly number[];
  readonly durationMs: number;
}

/** A process that was started before there was a request for it, and waits for it on its stdin. */
export interface WaitingProcess {
  readonly pid: number;
  /**
   * `ended`: it ended before it got a request; `spoke`: it printed something before; `deaf`: nobody reads its stdin; all say
   * that such a program does not wait for its stdin. `killed`: a signal ended it.
   */
  readonly state: "waiting" | "used" | "ended" | "spoke" | "deaf" | "killed";
  /** When it was started, in milliseconds of the monotonic clock. */
  readonly startedAt: number;
  /** Settles, with that state, as soon as the process waits no more. */
  readonly over: Promise<WaitingProcess["state"]>;
  /** Gives it its request, as `Spawner.run` does; null when it does not wait any more, and has seen nothing of it. */
  hand(options: SpawnOptions): Promise<SpawnResult> | null;
  /** Whether it still waits and has its stdin; when it has closed that, it is ended. */
  listens(): boolean;
  /** Ends it, unless it was given a request. Settles when it is gone. */
  end(): Promise<void>;
}

export type Preparation =
  | { readonly started: true; readonly process: WaitingProcess }
  | ({ readonly started: false } & NonNullable<SpawnResult["startError"]>);

/**
 * A way of running processes: with pipes on 0, 1 and 2 and no other descriptor, in a process group of their own, to the end of
 * the process and not of its stdout.
 */
export interface Spawner {
  readonly name: string;
  run(options: SpawnOptions): Promise<SpawnResult>;
  /** Starts a process that gets its request later. Until then it keeps no event loop alive. */
  prepare(command: SpawnCommand): Promise<Preparation>;
  /** Gives up what is held between runs, waiting processes too. Runs that go on end first. */
  close(): Promise<void>;
}

/** A spawner whose runs end when the signal says so, whatever time they have: nothing is left behind at our own end. */
export function endedBy(spawner: Spawner, signal: AbortSignal): Spawner {
  return {
    name: spawner.name,
    run: (options) =>
      spawner.run({
        ...options,
        signal: options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]),
      }),
    prepare: (command) => spawner.prepare(command),
    close: () => spawner.close(),
  };
}

/** The result of a run that could not be started. */
export function notStarted(startError: NonNullable<SpawnResult["startError"]>, durationMs: number): SpawnResult {
  return {
    pid: 0,
    started: false,
    startError,
    exitCode: null,
    signal: null,
    stdout: new Uint8Array(),
    timedOut: false,
    killed: false,
    outputTooLarge: false,
    survivors: [],
    durationMs,
  };
}

/** An installer that writes the binary is done with it soon, or it is no installer. */
const maxAttempts = 20;
const pauseMs = 5;

/** Tries again for a while when the file is just being written ("text file busy"). By count: a loaded machine is slow. */
export async function retryWhileBusy<T>(
  attempt: () => T | Promise<T>,
  codeOf: (outcome: T) => string | undefined,
  until: Deadline,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    const outcome = await attempt();
    if (codeOf(outcome) !== "ETXTBSY" || tried === maxAttempts || until.expired) return outcome;
    await sleep(pauseMs);
  }
}
