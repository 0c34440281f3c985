import { existsSync, readlinkSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadline, within } from "../base/deadline.js";
import { errorText } from "../base/errors.js";
import type { Log } from "../base/logger.js";
import { type Native, openNative } from "../host/native.js";
import { createFfiSpawner } from "./ffi-spawner.js";
import { errorCode } from "./go-errors.js";
import { type ExecutableCheck, findExecutableFault } from "./permissions.js";
import { createPortableSpawner } from "./portable-spawner.js";
import { ProcessGroup } from "./process-group.js";
import { Lingering, mostLingering, RunIo } from "./run-io.js";
import {
  type Command,
  closeEnds,
  type Exit,
  type RunningProcess,
  type Spawned,
  type Spawner,
  type StartFault,
} from "./spawner.js";
import { Supervisor } from "./supervise.js";

/** A plugin to start. */
export interface StartCommand extends Command {
  /** The file that root alone may be able to change, looked at before each start; null with `permissions: trust`. */
  readonly guarded: string | null;
  /** Looks at `guarded`, with what the chain knows of directories already; findExecutableFault when not given. */
  readonly permissionFaultOf?: ExecutableCheck | undefined;
  /** What the process may read elsewhere before its stdin: one started ahead serves only while it is the same. */
  readonly conf?: string;
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
  /** Called for each line on stderr, also for those of background children after the run. */
  readonly onStderrLine: (line: string) => void;
  /** End what is left of the process group after a normal end. */
  readonly killChildren: boolean;
}

/** How a process ended. Whatever happened is here: a run is never a throw. */
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
  /**
   * Processes of it that live on, as far as they are known: members of its group, or, when that was ended, those outside of it
   * that have its pipes.
   */
  readonly survivors: readonly number[];
}

/** A process that has been started, and waits for its request. One of the two is called, once. */
export interface Started {
  readonly pid: number;
  /** Puts the request on its stdin and keeps it to the limits, to its end. Never rejects. */
  give(request: Uint8Array, options: RunOptions): Promise<RunResult>;
  /** Ends it without a request. Settles when it is gone. */
  abandon(): Promise<void>;
}

/**
 * `ended`: it ended before it got a request; `spoke`: it printed something before; `deaf`: its stdin has no reader; all say that
 * such a program does not wait for its stdin. `killed`: a signal ended it.
 */
export type WaitEnd = "used" | "ended" | "spoke" | "deaf" | "killed";

/** A process that can be kept waiting until there is a request. */
export interface WaitingProcess extends Started {
  /** Watches it for doing anything else than waiting; keeps no event loop alive meanwhile. Settles when it waits no more. */
  watch(): Promise<WaitEnd>;
  /** Whether it still waits and has its stdin; when it has closed that, it is ended. */
  listens(): boolean;
  /** Gives it its request; null when it does not wait any more, and has seen nothing of it. */
  hand(request: Uint8Array, options: RunOptions): Promise<RunResult> | null;
}

/** The one way to a plugin's process, for a run now, ahead of its request, or while that is made. */
export interface Starter<Process extends Started = Started> {
  /** Checks who can change the command's file, and starts it. Never rejects. */
  start(command: StartCommand): Promise<Process | StartFault>;
  /** Gives up what is held between runs, waiting processes too. Runs that go on end first. */
  close(): Promise<void>;
}

/** Where the C library looks in an environment without PATH. */
const defaultPath = "/usr/local/bin:/bin:/usr/bin";

/** Who besides root can change what a command executes, for it not to be started; null when that is root alone. */
export function refusalOf({ guarded, env, permissionFaultOf = findExecutableFault }: StartCommand): string | null {
  return guarded === null ? null : permissionFaultOf(guarded, env.PATH ?? defaultPath);
}

/** Starts a process for a request that is there. */
export async function startAndGive(
  starter: Starter,
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
  };
}

const closedError: StartFault = { code: "EPIPE", detail: "the spawner is closed" };

export interface StarterOptions {
  /** Told of each process as soon as it is there. */
  readonly onStart?: (process: RunningProcess) => void;
  /** Told of each process whose background children have become too many to be read from. */
  readonly onCrowded?: (pid: number, most: number) => void;
  /** Ends what runs, whatever time it has, and what is started later: nothing is left behind at our own end. */
  readonly signal?: AbortSignal | undefined;
}

/** A starter by the fastest spawner that works on this machine; says so in the log when that is not the fast one. */
export function createStarter(
  log: Log,
  options: Pick<StarterOptions, "onStart" | "signal"> = {},
  open: () => Native = openNative,
): ProcessStarter {
  let told = false;
  const onCrowded = (pid: number, most: number) => {
    if (!told)
      log.warn(
        { pid, most },
        "too many plugins left processes that hold their output: the oldest are not read any more",
      );
    told = true;
  };
  return new ProcessStarter(openSpawner(log, open), { ...options, onCrowded });
}

function openSpawner(log: Log, open: () => Native): Spawner {
  try {
    return createFfiSpawner(open());
  } catch (thrown) {
    const reason = errorText(thrown).split("\n", 1)[0];
    log.warn(
      { reason },
      "plugins are started in the portable way: slower, and /dev/stdin, /dev/stdout and /dev/stderr cannot be opened",
    );
    return createPortableSpawner();
  }
}

/** Starts processes and runs them to their end: the check, the limits and the end are the same for every one. */
export class ProcessStarter implements Starter<WaitingProcess> {
  /** The spawner's. */
  readonly name: string;
  /** Starts and runs that have not settled. */
  private readonly pending = new Set<Promise<unknown>>();
  /** Started, and without a request. */
  private readonly waiting = new Set<WaitingProcess>();
  private readonly lingering: Lingering;
  private closed = false;

  constructor(
    private readonly spawner: Spawner,
    private readonly options: StarterOptions = {},
  ) {
    this.name = spawner.name;
    this.lingering = new Lingering(mostLingering(), options.onCrowded ?? (() => {}));
  }

  start(command: StartCommand): Promise<WaitingProcess | StartFault> {
    return this.track(this.startOnce(command));
  }

  async close(): Promise<void> {
    this.closed = true;
    // A run that was started in this turn gets its request in this turn.
    await nextTurn();
    await Promise.allSettled([...this.pending, ...[...this.waiting].map((process) => process.abandon())]);
    this.lingering.close();
    this.spawner.close();
  }

  private async startOnce(command: StartCommand): Promise<WaitingProcess | StartFault> {
    if (this.closed || this.options.signal?.aborted) return closedError;
    const refusal = refusalOf(command);
    if (refusal !== null) return existsSync(command.path) ? { code: "EPERM", refusal } : { code: "ENOENT" };
    const spawning = this.spawner.spawn(command);
    const spawned = spawning instanceof Promise ? await spawning : spawning;
    if ("code" in spawned) return spawned;
    this.options.onStart?.(spawned);
    const process = new StartedProcess(
      spawned,
      (options) => this.track(this.finish(spawned, options)),
      () => this.waiting.delete(process),
    );
    this.waiting.add(process);
    // Closed while it was made: its end is ours.
    if (!this.closed) return process;
    await process.abandon();
    return closedError;
  }

  private track<Value>(work: Promise<Value>): Promise<Value> {
    this.pending.add(work);
    return work.finally(() => this.pending.delete(work));
  }

  /** From the moment in which the process has its request to its end. */
  private async finish(process: Spawned, options: RunOptions): Promise<RunResult> {
    const io = new RunIo(process.stdio, options);
    const supervisor = new Supervisor(process, options, this.options.signal);
    io.onTooLarge = () => supervisor.kill();
    const end = await supervisor.wait();
    const { group } = supervisor;
    const endRest = options.killChildren || end.timedOut || end.killed;
    if (endRest) group.killRest();
    const groupLives = process.groupIsAlive();
    const output = await io.finish();
    // How it ended may be unknown, too: then another process has reaped it.
    const unreaped = end.exitCode === null && end.signal === null && !process.hasEnded() ? [process.pid] : [];
    const rest = groupLives && !endRest ? group.members() : [];
    const survivors = [...unreaped, ...rest, ...group.deserters()];
    if (output === "held" || groupLives || survivors.length > 0) this.lingering.add(process, io);
    else closeEnds(process.stdio);
    return { pid: process.pid, started: true, ...end, stdout: io.stdout(), outputTooLarge: io.tooLarge, survivors };
  }
}

/** Between SIGTERM and SIGKILL of one that is not needed any more. */
const endGraceMs = 200;

/** One that is just ending has no stdin either: this is its time for that, before it is taken for one that closed it. */
const lastBreathMs = 100;

/** A process without a request. */
class StartedProcess implements WaitingProcess {
  private state: WaitEnd | "waiting" = "waiting";
  private settle: (end: WaitEnd) => void = () => {};
  /** While it is being ended. */
  private ending: Promise<void> | undefined;

  constructor(
    private readonly process: Spawned,
    private readonly finish: (options: RunOptions) => Promise<RunResult>,
    private readonly onLeft: () => void,
  ) {}

  get pid(): number {
    return this.process.pid;
  }

  async give(request: Uint8Array, options: RunOptions): Promise<RunResult> {
    if (this.state !== "waiting") return notStarted(closedError);
    try {
      // One that has ended already, or has closed its stdin, need not read its request.
      this.process.stdio.stdin.send(request);
    } catch (thrown) {
      await this.abandon();
      const code = errorCode(thrown);
      return notStarted({ code, detail: `its request cannot be written: ${code}` });
    }
    return this.run(options);
  }

  hand(request: Uint8Array, options: RunOptions): Promise<RunResult> | null {
    if (!this.listens()) return null;
    if (this.process.stdio.stdin.send(request)) return this.run(options);
    this.beginDeaf();
    return null;
  }

  watch(): Promise<WaitEnd> {
    const { stdio, exited } = this.process;
    this.process.keepAlive(false);
    stdio.stdout.read(() => this.onOutput());
    stdio.stderr.read(() => this.onOutput());
    void exited.then((exit) => this.onExit(exit));
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  listens(): boolean {
    if (this.state !== "waiting" || this.process.hasEnded()) return false;
    try {
      readlinkSync(`/proc/${this.pid}/fd/0`);
      return true;
    } catch (thrown) {
      // What we may not look at is what it seems.
      if (errorCode(thrown) !== "ENOENT") return true;
      this.beginDeaf();
      return false;
    }
  }

  async abandon(): Promise<void> {
    if (this.state === "waiting") {
      this.leave("killed");
      this.ending = this.stop();
    }
    await this.ending;
  }

  private run(options: RunOptions): Promise<RunResult> {
    this.leave("used");
    this.onLeft();
    this.process.keepAlive(true);
    return this.finish(options);
  }

  private onOutput(): void {
    if (this.state !== "waiting") return;
    this.leave("spoke");
    this.ending = this.stop();
  }

  private onExit({ signal }: Exit): void {
    if (this.state !== "waiting") return;
    this.leave(signal === null ? "ended" : "killed");
    this.letGo();
  }

  private beginDeaf(): void {
    this.state = "deaf";
    this.ending = this.endDeaf();
  }

  /** Its stdin has no reader: it has closed it, or is ending in this moment. */
  private async endDeaf(): Promise<void> {
    const exit = await within<Exit | null>(Deadline.after(lastBreathMs), this.process.exited, () => null);
    this.leave(exit === null ? "deaf" : exit.signal === null ? "ended" : "killed");
    if (exit === null) await this.stop();
    else this.letGo();
  }

  /** Its stdin stays open meanwhile: an end of the data would be a request to it. */
  private async stop(): Promise<void> {
    const group = new ProcessGroup(this.process.pid);
    group.terminate();
    const timer = setTimeout(() => group.kill(), endGraceMs);
    await this.process.exited;
    clearTimeout(timer);
    group.killRest();
    this.letGo();
  }

  private letGo(): void {
    this.onLeft();
    closeEnds(this.process.stdio);
  }

  private leave(end: WaitEnd): void {
    this.state = end;
    this.settle(end);
  }
}
