import { existsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadline } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import { type Log, silentLog } from "../base/logger.js";
import { sayOnce } from "../base/once.js";
import { PassedWalks } from "../base/permissions.js";
import { type Native, openNative } from "../host/native.js";
import type { EarlyStart } from "./early-starts.js";
import { createFfiSpawner } from "./ffi-spawner.js";
import { errorCode } from "./go-errors.js";
import { findExecutableFault } from "./permissions.js";
import { createPortableSpawner } from "./portable-spawner.js";
import { Lingering, runToEnd, Supervisor } from "./run.js";
import { type Command, closeEnds, type Exit, type Spawned, type Spawner, type StartFault } from "./spawner.js";

/** A plugin to start. */
export interface StartCommand extends Command {
  /**
   * The file that only root and the bridge's user may be able to change, checked before each start; null with `permissions: trust`.
   */
  readonly guarded: string | null;
  /**
   * The plugin's `conf`, which the process may read from elsewhere before its stdin: a process started ahead serves only a run with
   * the same `conf`.
   */
  readonly conf?: string | undefined;
  /**
   * A starter that starts ahead keeps this many processes of the command waiting for requests; 0 ends the waiting ones. undefined:
   * a run in a place of its own, which leaves the waiting processes as they are.
   */
  readonly startAhead?: number | undefined;
}

/** The limits of a process, from the moment in which it has its request. */
export interface RunOptions {
  /** When the bridge sends SIGTERM to the process group. */
  readonly terminateAt: Deadline;
  /** When the bridge sends SIGKILL to the process group. */
  readonly killAt: Deadline;
  readonly limits: {
    /** The bridge kills the process group when the process prints more than this many bytes on stdout. */
    readonly stdoutBytes: number;
    /** The bridge drops the lines on stderr after this many. */
    readonly stderrLines: number;
  };
  /** Called when the process has its request. */
  readonly onGiven?: (() => void) | undefined;
  /**
   * How long the bridge blocks its thread for the end of the process before it does anything else, in milliseconds; undefined when
   * no call waits for the process.
   */
  readonly pollMs?: number | undefined;
  /** Called for each line on stderr, also for lines of background children after the run. */
  readonly onStderrLine: (line: string) => void;
  /** Whether the bridge kills the rest of the process group after the process has ended by itself. */
  readonly killChildren: boolean;
}

/** How a process ended, or why it did not start. A run never throws: a failure is a value. */
export interface RunResult extends Exit {
  /** The pid of the process; 0 when it was not started. */
  readonly pid: number;
  readonly started: boolean;
  readonly startError?: StartFault;
  /** What the process printed on stdout until its end, at most `limits.stdoutBytes`. */
  readonly stdout: Uint8Array;
  /** The deadline passed, and the bridge sent SIGTERM to the process group. */
  readonly timedOut: boolean;
  /** The bridge sent SIGKILL to the process group before the process had ended. */
  readonly killed: boolean;
  readonly outputTooLarge: boolean;
  /** The id of the process group while members of it still run; otherwise null. */
  readonly leftGroup: number | null;
}

/** A process that the bridge has started and that waits for its request. Call one of `give` and `abandon`, once. */
export interface Started {
  readonly pid: number;
  /**
   * The process, where it may end before it gets its request: a caller that signals its group does so in the turn in which the
   * bridge reaps it.
   */
  readonly process?: Pick<Spawned, "exited" | "hasEnded">;
  /** Writes the request to the process's stdin and enforces the limits until the process ends. Never rejects. */
  give(request: Uint8Array, options: RunOptions): Promise<RunResult>;
  /** Ends the process without a request. Settles when the process is gone. */
  abandon(): Promise<void>;
}

/** The only way to start a plugin's process: for a run now, ahead of any request, or while the bridge makes the request. */
export interface Starter<Process extends Started = Started> {
  /** Checks who can change the command's file, and starts the process. Never rejects. */
  start(command: StartCommand): Promise<Process | StartFault>;
  /** Starts the process before the bridge has made its request; undefined when this starter does not do so for the command. */
  startEarly?(command: StartCommand): EarlyStart | undefined;
  /** Waits for the runs to end, ends the waiting processes, and frees what the starter keeps between runs. */
  close(): Promise<void>;
}

/** Starts a process and gives it the request at once. */
export async function startAndGive(
  starter: Pick<Starter, "start">,
  command: StartCommand,
  request: Uint8Array,
  options: RunOptions,
): Promise<RunResult> {
  const started = await starter.start(command);
  return "give" in started ? started.give(request, options) : notStarted(started);
}

/** The result of a run that could not be started. */
export function notStarted(startError: StartFault): RunResult {
  return {
    ...{ pid: 0, started: false, startError, exitCode: null, signal: null, stdout: new Uint8Array() },
    ...{ timedOut: false, killed: false, outputTooLarge: false, leftGroup: null },
  };
}

const closedError: StartFault = { code: "EPIPE", detail: "the bridge is stopping" };

export interface StarterOptions {
  readonly log?: Log;
  /** Called with each process as soon as it has started. */
  readonly onStart?: (process: Pick<Spawned, "pid" | "exited">) => void;
  /**
   * When it aborts, the bridge kills the running processes, whatever time they have left, and starts no more, so that none outlives
   * the bridge.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Creates a starter with the fastest spawner that works on this machine; logs a warning when that is the portable one. */
export function createStarter(log: Log, options: StarterOptions = {}, open: () => Native = openNative): ProcessStarter {
  let spawner: Spawner;
  try {
    spawner = createFfiSpawner(open());
  } catch (thrown) {
    spawner = createPortableSpawner();
    const reason = errorText(thrown).split("\n", 1)[0];
    const cost = "starts are slower, and plugins cannot open /dev/stdin, /dev/stdout and /dev/stderr";
    log.warn({ reason }, `the bridge starts plugins through Node and not through libc: ${cost}`);
  }
  return new ProcessStarter(spawner, { ...options, log });
}

/** The directories in which the C library searches when the environment has no PATH. */
const defaultPath = "/usr/local/bin:/bin:/usr/bin";

/**
 * Starts processes and runs them until they end. The permission check, the limits and the way to end a process are the same for
 * all.
 */
export class ProcessStarter implements Starter<WaitingProcess> {
  /** Starts and runs that have not settled. */
  private readonly pending = new Set<Promise<unknown>>();
  /** Processes that have started and have no request yet. */
  private readonly waiting = new Set<Started>();
  private readonly lingering: Lingering;
  private readonly passedWalks = new PassedWalks();
  /** The number of processes that have their request and still run. */
  private running = 0;
  private closed = false;

  constructor(
    readonly spawner: Spawner,
    private readonly options: StarterOptions = {},
  ) {
    const warn = sayOnce((fields, sentence) => (options.log ?? silentLog).warn(fields, sentence));
    this.lingering = new Lingering((fields) =>
      warn(fields, "too many plugins left processes that hold stdout or stderr: the bridge stops reading the oldest"),
    );
  }

  start(command: StartCommand): Promise<WaitingProcess | StartFault> {
    return this.track(this.startOnce(command));
  }

  /**
   * Why the bridge must not start a command: the users besides root and the bridge's own who can change what it executes; null when
   * no other user can.
   */
  refusalOf({ guarded, env }: StartCommand): string | null {
    const searchPath = env.PATH ?? defaultPath;
    if (guarded === null) return null;
    return this.passedWalks.faultOf(`${guarded}\0${searchPath}`, (walk) =>
      findExecutableFault(guarded, searchPath, walk),
    );
  }

  async close(): Promise<void> {
    this.closed = true;
    do {
      // A caller whose process has just started gives it the request in this turn of the event loop; only then is its run in
      // `pending`.
      await nextTurn();
      await Promise.allSettled([...this.pending, ...[...this.waiting].map((process) => process.abandon())]);
    } while (this.pending.size + this.waiting.size > 0);
    this.lingering.close();
    this.spawner.close();
  }

  private async startOnce(command: StartCommand): Promise<WaitingProcess | StartFault> {
    if (this.closed || this.options.signal?.aborted) return closedError;
    const refusal = this.refusalOf(command);
    if (refusal !== null) return existsSync(command.path) ? { code: "EPERM", refusal } : { code: "ENOENT" };
    const spawned = await this.spawner.spawn(command).catch((thrown) => ({ code: errorCode(thrown) }));
    if ("code" in spawned) return spawned;
    this.options.onStart?.(spawned);
    const process = new WaitingProcess(
      spawned,
      (options) => this.track(this.run(spawned, options)),
      () => this.waiting.delete(process),
    );
    this.waiting.add(process);
    return process;
  }

  private async run(spawned: Spawned, options: RunOptions): Promise<RunResult> {
    // `pollEnd` blocks the thread: not while other runs go on, since calls wait for those too.
    const pollMs = this.running === 0 ? options.pollMs : 0;
    this.running += 1;
    try {
      return await runToEnd(spawned, { ...options, pollMs }, this.lingering, this.options.signal);
    } finally {
      this.running -= 1;
    }
  }

  private track<Value>(work: Promise<Value>): Promise<Value> {
    this.pending.add(work);
    return work.finally(() => this.pending.delete(work));
  }
}

/** The time between SIGTERM and SIGKILL for a waiting process that the bridge does not need any more, in milliseconds. */
const endGraceMs = 200;

/** A process that waits for a request, and that the bridge can keep waiting until it has one. */
export class WaitingProcess implements Started {
  private state: "waiting" | "used" | "ended" = "waiting";
  private settle: (fault: string | null) => void = () => {};
  /** Settles when `stop` has ended the process; undefined before. */
  private ending: Promise<void> | undefined;

  constructor(
    readonly process: Spawned,
    private readonly run: (options: RunOptions) => Promise<RunResult>,
    private readonly onLeft: () => void,
  ) {}

  get pid(): number {
    return this.process.pid;
  }

  async give(request: Uint8Array, options: RunOptions): Promise<RunResult> {
    if (this.state !== "waiting") return notStarted(closedError);
    // A result of false is ignored: a process may end or close its stdin without reading the request.
    this.process.stdio.stdin.send(request);
    return this.use(options);
  }

  /**
   * Like `give`, for a process under `watch`. null when the process waits no more and has seen nothing of the request, so that
   * another can be started.
   */
  offer(request: Uint8Array, options: RunOptions): Promise<RunResult> | null {
    if (this.state !== "waiting" || this.process.hasEnded()) return null;
    if (this.process.stdio.stdin.send(request)) {
      this.process.keepAlive(true);
      return this.use(options);
    }
    void this.end("the plugin closed its stdin before it got a request");
    return null;
  }

  /**
   * Watches the process while it waits. Meanwhile the process does not keep the event loop alive.
   *
   * @returns settles when the process waits no more: with what it did that shows that it does not wait for its stdin, or with null
   * when it got a request, was abandoned, or was ended by a signal
   */
  watch(): Promise<string | null> {
    const { stdio, exited } = this.process;
    this.process.keepAlive(false);
    for (const output of [stdio.stdout, stdio.stderr]) {
      output.read(() => void this.end("the plugin printed something before it got a request"));
    }
    void exited.then(({ signal }) => this.end(signal === null ? "the plugin ended before it got a request" : null));
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  abandon(): Promise<void> {
    return this.end(null);
  }

  private use(options: RunOptions): Promise<RunResult> {
    this.state = "used";
    this.settle(null);
    this.onLeft();
    return this.run(options);
  }

  private async end(fault: string | null): Promise<void> {
    if (this.state === "waiting") {
      this.state = "ended";
      this.settle(fault);
      this.ending = this.stop();
    }
    await this.ending;
  }

  /** Ends the process. Its stdin stays open until then: the process could take the end of the data for a request. */
  private async stop(): Promise<void> {
    const { process } = this;
    if (!process.hasEnded()) {
      process.signalGroup("SIGTERM");
      const never = Deadline.after(Number.POSITIVE_INFINITY);
      await new Supervisor(process, { terminateAt: never, killAt: Deadline.after(endGraceMs) }).wait();
    }
    process.signalGroup("SIGKILL");
    process.keepAlive(false);
    closeEnds(process.stdio);
    this.onLeft();
  }
}
