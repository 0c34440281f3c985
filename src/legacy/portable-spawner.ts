import { errorText } from "../errors.js";
import { hasUnknownFormat } from "./executable-format.js";
import { errorCode } from "./go-errors.js";
import { closeInheritedDescriptors } from "./inherited-descriptors.js";
import { PipePool, type StdioPipes } from "./pipe-pool.js";
import { createPipes } from "./pipe-source.js";
import { RunIo } from "./run-io.js";
import type { Spawner, SpawnOptions, SpawnResult } from "./spawner.js";
import { startProcess } from "./start-process.js";
import { Supervisor } from "./supervise.js";

/**
 * The spawner that needs nothing but Node, a shell and /proc: node:child_process, with pipes that the shell made.
 *
 * Not by execa: that costs a third of a millisecond more per run, and memory whose page tables every fork copies. What it
 * would add for pipes, limits and groups stands here in the form that the contract asks for.
 */
export function createPortableSpawner(): Spawner {
  closeInheritedDescriptors();
  return new PortableSpawner(new PipePool(createPipes));
}

class PortableSpawner implements Spawner {
  readonly name = "portable";
  private readonly running = new Set<Promise<SpawnResult>>();
  private readonly lingering = new Set<RunIo>();

  constructor(private readonly pipes: PipePool) {}

  run(options: SpawnOptions): Promise<SpawnResult> {
    const run = this.runOnce(options);
    this.running.add(run);
    return run.finally(() => this.running.delete(run));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.running);
    for (const io of this.lingering) io.close();
    this.pipes.close();
  }

  private async runOnce(options: SpawnOptions): Promise<SpawnResult> {
    const beganAt = performance.now();
    if (hasUnknownFormat(options.path)) return notStarted(beganAt, { code: "ENOEXEC" });
    let stdio: StdioPipes;
    try {
      stdio = await this.pipes.lend(options.killAt);
    } catch (thrown) {
      return notStarted(beganAt, { code: "EPIPE", detail: `no pipes for its stdio: ${errorText(thrown)}` });
    }
    let io: RunIo;
    try {
      io = new RunIo(stdio, options);
    } catch (thrown) {
      for (const pipe of [stdio.stdin, stdio.stdout, stdio.stderr]) pipe.close();
      return notStarted(beganAt, { code: errorCode(thrown), detail: `its stdio: ${errorText(thrown)}` });
    }
    const start = await startProcess(options, stdio);
    if (!start.started) {
      io.finish();
      this.release(stdio, io, false);
      return notStarted(beganAt, { code: start.code });
    }
    const supervisor = new Supervisor(start, options);
    io.onTooLarge = () => supervisor.kill();
    const end = await supervisor.wait();
    const { group } = supervisor;
    const endRest = options.killChildren || end.timedOut || end.killed;
    if (endRest) group.killRest();
    const output = io.finish();
    const groupLives = group.isAlive();
    const unreaped = end.exitCode === null && end.signal === null ? [start.pid] : [];
    const rest = groupLives && !endRest ? group.members() : [];
    const survivors = [...unreaped, ...rest, ...group.deserters()];
    this.release(stdio, io, output === "held" || groupLives || survivors.length > 0);
    return {
      pid: start.pid,
      started: true,
      ...end,
      stdout: io.stdout(),
      outputTooLarge: io.tooLarge,
      survivors,
      durationMs: performance.now() - beganAt,
    };
  }

  /** Pipes that somebody else may still hold serve nobody else, and are closed when he lets go of them. */
  private release(stdio: StdioPipes, io: RunIo, held: boolean): void {
    if (!held && io.isRequestOver()) {
      io.close();
      for (const pipe of [stdio.stdin, stdio.stdout, stdio.stderr]) this.pipes.giveBack(pipe);
      return;
    }
    stdio.stdin.close();
    this.lingering.add(io);
    io.linger(() => {
      this.lingering.delete(io);
      stdio.stdout.close();
      stdio.stderr.close();
    });
  }
}

function notStarted(beganAt: number, startError: NonNullable<SpawnResult["startError"]>): SpawnResult {
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
    durationMs: performance.now() - beganAt,
  };
}
