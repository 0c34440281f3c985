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
  /** The file that root alone may be able to change, looked at before each start; null with `permissions: trust`. */
  readonly guarded: string | null;
  /** What the process may read elsewhere before its stdin: one started ahead serves only while it is the same. */
  readonly conf?: string | undefined;
  /**
   * This many processes of the command wait for a request, started ahead, where a starter does that; 0 ends those that wait.
   * undefined: a run in a place of its own, which leaves them as they are.
   */
  readonly startAhead?: number | undefined;
}

/** What a process is allowed from the moment in which it has its request. */
export interface RunOptions {
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
  /** Called when it has its request. */
  readonly onGiven?: (() => void) | undefined;
  /** How long its end is waited for before anything else is done; undefined where no call waits for it. */
  readonly pollMs?: number | undefined;
  /** Called for each line on stderr, also for those of background children after the run. */
  readonly onStderrLine: (line: string) => void;
  /** End what is left of the process group after a normal end. */
  readonly killChildren: boolean;
}

/** How a process ended. A run is never a throw. */
export interface RunResult extends Exit {
  /** 0 when it was not started. */
  readonly pid: number;
  readonly started: boolean;
  readonly startError?: StartFault;
  /** What it printed up to its end, at most `limits.stdoutBytes`. */
  readonly stdout: Uint8Array;
  /** The deadline passed and the group was sent SIGTERM. */
  readonly timedOut: boolean;
  /** The group was sent SIGKILL before the process had ended. */
  readonly killed: boolean;
  readonly outputTooLarge: boolean;
  /** The number of its process group, where members of it live on. */
  readonly leftGroup: number | null;
}

/** A process that has been started, and waits for its request. One of the two is called, once. */
export interface Started {
  readonly pid: number;
  /** Its end, where that may come before its request: a group is to be signalled in the turn in which its leader is reaped. */
  readonly process?: Pick<Spawned, "exited" | "hasEnded">;
  /** Puts the request on its stdin and keeps it to the limits, to its end. Never rejects. */
  give(request: Uint8Array, options: RunOptions): Promise<RunResult>;
  /** Ends it without a request. Settles when it is gone. */
  abandon(): Promise<void>;
}

/** The one way to a plugin's process, for a run now, ahead of its request, or while that is made. */
export interface Starter<Process extends Started = Started> {
  /** Checks who can change the command's file, and starts it. Never rejects. */
  start(command: StartCommand): Promise<Process | StartFault>;
  /** Starts it before its request is there, where that can be done. */
  startEarly?(command: StartCommand): EarlyStart | undefined;
  /** Gives up what is held between runs, waiting processes too. Runs that go on end first. */
  close(): Promise<void>;
}

/** Starts a process for a request that is there. */
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

const closedError: StartFault = { code: "EPIPE", detail: "the spawner is closed" };

export interface StarterOptions {
  readonly log?: Log;
  /** Told of each process as soon as it is there. */
  readonly onStart?: (process: Pick<Spawned, "pid" | "exited">) => void;
  /** Ends what runs, whatever time it has, and what is started later: nothing is left behind at our own end. */
  readonly signal?: AbortSignal | undefined;
}

/** A starter by the fastest spawner that works on this machine; says so in the log when that is not the fast one. */
export function createStarter(log: Log, options: StarterOptions = {}, open: () => Native = openNative): ProcessStarter {
  let spawner: Spawner;
  try {
    spawner = createFfiSpawner(open());
  } catch (thrown) {
    spawner = createPortableSpawner();
    const reason = errorText(thrown).split("\n", 1)[0];
    const cost = "starts are slower, and plugins cannot open /dev/stdin, /dev/stdout and /dev/stderr";
    log.warn({ reason }, `the bridge starts plugins in the portable way: ${cost}`);
  }
  return new ProcessStarter(spawner, { ...options, log });
}

/** Where the C library looks in an environment without PATH. */
const defaultPath = "/usr/local/bin:/bin:/usr/bin";

/** Starts processes and runs them to their end: the check, the limits and the end are the same for every one. */
export class ProcessStarter implements Starter<WaitingProcess> {
  /** Starts and runs that have not settled. */
  private readonly pending = new Set<Promise<unknown>>();
  /** Started, and without a request. */
  private readonly waiting = new Set<Started>();
  private readonly lingering: Lingering;
  private readonly passedWalks = new PassedWalks();
  /** Processes with a request. */
  private running = 0;
  private closed = false;

  constructor(
    readonly spawner: Spawner,
    private readonly options: StarterOptions = {},
  ) {
    const warn = sayOnce((fields, sentence) => (options.log ?? silentLog).warn(fields, sentence));
    this.lingering = new Lingering((fields) =>
      warn(fields, "too many plugins left processes that hold their output: the bridge no longer reads the oldest"),
    );
  }

  start(command: StartCommand): Promise<WaitingProcess | StartFault> {
    return this.track(this.startOnce(command));
  }

  /** Who besides root can change what a command executes, for it not to be started; null when that is root alone. */
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
      // A run whose process has just been started gets its request in this turn.
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
    // Other runs have calls that wait, too.
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

/** Between SIGTERM and SIGKILL of one that is not needed any more. */
const endGraceMs = 200;

/** A process without a request, which can be kept waiting until there is one. */
export class WaitingProcess implements Started {
  private state: "waiting" | "used" | "ended" = "waiting";
  private settle: (fault: string | null) => void = () => {};
  /** While it is being ended. */
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
    // One that has ended already, or has closed its stdin, need not read its request.
    this.process.stdio.stdin.send(request);
    return this.use(options);
  }

  /** The same for one that is watched; null when it does not wait any more, and has seen nothing of the request. */
  offer(request: Uint8Array, options: RunOptions): Promise<RunResult> | null {
    if (this.state !== "waiting" || this.process.hasEnded()) return null;
    if (this.process.stdio.stdin.send(request)) {
      this.process.keepAlive(true);
      return this.use(options);
    }
    void this.end("the plugin does not read its stdin");
    return null;
  }

  /**
   * Keeps it waiting, and no event loop alive meanwhile.
   *
   * @returns when it waits no more, what it did that says it does not wait for its stdin; null when it got a request, was
   * abandoned, or a signal ended it
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

  /** Its stdin stays open meanwhile: an end of the data would be a request to it. */
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
