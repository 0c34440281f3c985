import { Deadline } from "../base/deadline.js";
import { Lingering, mostLingering } from "./lingering.js";
import { findStartFault } from "./permissions.js";
import { RunIo } from "./run-io.js";
import {
  notStarted,
  type Preparation,
  retryWhileBusy,
  type SpawnCommand,
  type Spawner,
  type SpawnOptions,
  type SpawnResult,
} from "./spawner.js";
import type { ProcessStarter, Start, StartedProcess } from "./started-process.js";
import { type RunningProcess, Supervisor } from "./supervise.js";
import { StartedAhead } from "./waiting-process.js";

/** A process started ahead is nobody's answer: it need not come fast, but it has to come. */
const prepareMs = 5_000;

const closedError = { code: "EPIPE", detail: "the spawner is closed" } as const;

/** Runs processes to their end; how they are started is the starter's. */
export class ProcessSpawner implements Spawner {
  readonly name: string;
  /** Runs and preparations that have not settled. */
  private readonly pending = new Set<Promise<unknown>>();
  private readonly waiting = new Set<StartedAhead>();
  private readonly lingering: Lingering;
  private closed = false;

  /**
   * `onStart`: told of each process as soon as it is there; `onCrowded`: of each whose background children have become too
   * many to be read from.
   */
  constructor(
    private readonly starter: ProcessStarter,
    private readonly onStart: (process: RunningProcess) => void = () => {},
    onCrowded: (pid: number, most: number) => void = () => {},
  ) {
    this.name = starter.name;
    this.lingering = new Lingering(mostLingering(), onCrowded);
  }

  run(options: SpawnOptions): Promise<SpawnResult> {
    const refusal = findStartFault(options, options.permissionFaultOf);
    if (refusal !== null) return Promise.resolve(notStarted(refused(refusal), 0));
    return this.track(this.runOnce(options));
  }

  prepare(command: SpawnCommand): Promise<Preparation> {
    return this.track(this.prepareOnce(command));
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled([...this.pending, ...[...this.waiting].map((waiting) => waiting.end())]);
    this.lingering.close();
    this.starter.close();
  }

  private track<Value>(work: Promise<Value>): Promise<Value> {
    this.pending.add(work);
    return work.finally(() => this.pending.delete(work));
  }

  private async prepareOnce(command: SpawnCommand): Promise<Preparation> {
    if (this.closed) return { started: false, ...closedError };
    const refusal = findStartFault(command);
    if (refusal !== null) return { started: false, ...refused(refusal) };
    const startedAt = performance.now();
    const start = await this.start(command, null, Deadline.after(prepareMs));
    if (!start.started) return { started: false, ...start.error };
    const { process } = start;
    this.onStart(process);
    const waiting = new StartedAhead(process, startedAt, (options) => this.track(this.finish(process, options)));
    this.waiting.add(waiting);
    void waiting.over.then(() => waiting.end()).then(() => this.waiting.delete(waiting));
    // Closed meanwhile: nobody will end it.
    if (this.closed) await waiting.end();
    return { started: true, process: waiting };
  }

  private start(command: SpawnCommand, request: Uint8Array | null, until: Deadline): Promise<Start> {
    const codeOf = (start: Start) => (start.started ? undefined : start.error.code);
    return retryWhileBusy(() => this.starter.start(command, request), codeOf, until);
  }

  private async runOnce(options: SpawnOptions): Promise<SpawnResult> {
    const beganAt = performance.now();
    if (this.closed) return notStarted(closedError, 0);
    const start = await this.start(options, options.stdin, options.terminateAt);
    if (!start.started) return notStarted(start.error, performance.now() - beganAt);
    this.onStart(start.process);
    return this.finish(start.process, options, beganAt);
  }

  /** From the moment in which the process has its request to its end. */
  private async finish(
    process: StartedProcess,
    options: SpawnOptions,
    beganAt = performance.now(),
  ): Promise<SpawnResult> {
    const io = new RunIo(process.stdio, options);
    const supervisor = new Supervisor(process, options);
    io.onTooLarge = () => supervisor.kill();
    const end = await supervisor.wait();
    const { group } = supervisor;
    const endRest = options.killChildren || end.timedOut || end.killed;
    if (endRest) group.killRest();
    const groupLives = process.groupIsAlive();
    const output = await io.finish();
    // How it ended may be unknown, too: then somebody else has reaped it.
    const unreaped = end.exitCode === null && end.signal === null && !process.hasEnded() ? [process.pid] : [];
    const rest = groupLives && !endRest ? group.members() : [];
    const survivors = [...unreaped, ...rest, ...group.deserters()];
    if (output === "held" || groupLives || survivors.length > 0) this.lingering.add(process, io);
    else process.close();
    return {
      pid: process.pid,
      started: true,
      ...end,
      stdout: io.stdout(),
      outputTooLarge: io.tooLarge,
      survivors,
      durationMs: performance.now() - beganAt,
    };
  }
}

function refused(refusal: string): NonNullable<SpawnResult["startError"]> {
  return { code: "EPERM", refusal };
}
