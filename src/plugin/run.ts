import { alarm } from "../base/deadline.js";
import { closeEnds, type Exit, type Spawned, type StdioEnds } from "./spawner.js";
import type { RunOptions, RunResult } from "./start.js";

/** The output of one plugin run: its stdout as bytes, its stderr as lines. */
class RunOutput {
  tooLarge = false;

  private readonly lines: LineSplitter;
  private readonly captured: Uint8Array[] = [];
  private capturedBytes = 0;
  private finished = false;

  constructor(
    private readonly stdio: StdioEnds,
    private readonly options: RunOptions,
    /** Called once, when the plugin prints more than `limits.stdoutBytes` on stdout. */
    private readonly onTooLarge: () => void,
  ) {
    this.lines = new LineSplitter(options.limits.stderrLines, options.onStderrLine);
    stdio.stdout.read((chunk) => this.capture(chunk));
    stdio.stderr.read((chunk) => this.lines.push(chunk));
  }

  /**
   * Called when the process has ended: reads what is still in its pipes. `held`: a background child of the process still has a pipe
   * open and may print more.
   */
  async finish(): Promise<"ended" | "held"> {
    this.stdio.stdin.close();
    const states = await Promise.all([this.stdio.stdout.finish(), this.stdio.stderr.finish()]);
    this.finished = true;
    this.lines.flush();
    return states.includes("held") ? "held" : "ended";
  }

  stdout(): Uint8Array {
    return Buffer.concat(this.captured);
  }

  /** Keeps reading for background children: drops their stdout, and passes their stderr on as the plugin's. */
  linger(onEnd: () => void): void {
    let open = 2;
    const onOneEnd = (): void => {
      if (--open > 0) return;
      this.lines.flush();
      onEnd();
    };
    this.stdio.stdout.linger(onOneEnd);
    this.stdio.stderr.linger(onOneEnd);
  }

  private capture(chunk: Uint8Array): void {
    if (this.finished || this.tooLarge) return;
    const room = this.options.limits.stdoutBytes - this.capturedBytes;
    this.captured.push(chunk.subarray(0, room));
    this.capturedBytes += chunk.length;
    if (chunk.length <= room) return;
    this.tooLarge = true;
    this.onTooLarge();
  }
}

/** Cuts a line that is longer than this many bytes: the log is no place for a plugin's dump. */
const maxLineBytes = 8192;
const newline = 0x0a;
const carriageReturn = 0x0d;

/** Splits a plugin's stderr into lines of text: limits their number and length, and replaces invalid UTF-8. */
export class LineSplitter {
  private parts: Uint8Array[] = [];
  private partBytes = 0;
  private lines = 0;

  constructor(
    private readonly maxLines: number,
    private readonly onLine: (line: string) => void,
  ) {}

  push(chunk: Uint8Array): void {
    // Past the limit this does not even search for line ends: a plugin that prints without end must cost no more than the reading.
    if (this.lines > this.maxLines) return;
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      this.keep(chunk.subarray(from, end));
      this.emit();
      from = end + 1;
    }
    this.keep(chunk.subarray(from));
  }

  /** Called when the data ends or the bridge stops waiting for more: emits text without a newline as a line. */
  flush(): void {
    if (this.partBytes > 0) this.emit();
  }

  private keep(part: Uint8Array): void {
    if (part.length === 0) return;
    const room = maxLineBytes - this.partBytes;
    // Copies the part: it may wait long for its line end, and the reader may reuse the chunk's memory.
    if (room > 0) this.parts.push(part.slice(0, room));
    this.partBytes += part.length;
  }

  private emit(): void {
    const bytes = Buffer.concat(this.parts);
    const cut = this.partBytes - bytes.length;
    this.parts = [];
    this.partBytes = 0;
    this.lines++;
    if (this.lines > this.maxLines + 1) return;
    if (this.lines === this.maxLines + 1) {
      this.onLine(`… further lines of this run are suppressed (limits.stderrLinesPerRun: ${this.maxLines})`);
      return;
    }
    const end = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length;
    const text = bytes.toString("utf8", 0, end);
    this.onLine(cut > 0 ? `${text}… (${cut} bytes cut)` : text);
  }
}

/**
 * How long the bridge waits for a process after SIGKILL, in milliseconds. A process that does not end by then hangs in the kernel:
 * neither a call's answer nor the bridge's own end can wait for it.
 */
const reapGraceMs = 100;

/** Enforces the deadlines of one process until it ends: SIGTERM, then SIGKILL, to its group. */
export class Supervisor {
  timedOut = false;
  killed = false;
  private ended = false;
  private readonly cancels: (() => void)[] = [];
  private giveUp: (exit: Exit) => void = () => {};

  constructor(
    private readonly process: Pick<Spawned, "exited" | "signalGroup" | "pollEnd">,
    private readonly deadlines: Pick<RunOptions, "terminateAt" | "killAt" | "pollMs">,
    private readonly signal?: AbortSignal,
  ) {}

  /** Sends SIGKILL to the process group now. */
  kill(): void {
    if (this.killed || this.ended) return;
    this.killed = true;
    this.process.signalGroup("SIGKILL");
    const timer = setTimeout(() => this.giveUp({ exitCode: null, signal: null }), reapGraceMs);
    this.cancels.push(() => clearTimeout(timer));
  }

  /** Settles when the process has ended, or `reapGraceMs` after a SIGKILL that did not end it. */
  async wait(): Promise<Exit> {
    const { terminateAt, pollMs = 0 } = this.deadlines;
    const exit = this.process.pollEnd(Math.min(pollMs, terminateAt.remainingMs())) ?? (await this.watch());
    this.ended = true;
    for (const cancel of this.cancels) cancel();
    return exit;
  }

  private watch(): Promise<Exit> {
    const { signal, deadlines, process } = this;
    const unreaped = new Promise<Exit>((resolve) => {
      this.giveUp = resolve;
    });
    const onAbort = (): void => this.kill();
    signal?.addEventListener("abort", onAbort);
    this.cancels.push(
      alarm(deadlines.terminateAt, () => {
        this.timedOut = true;
        process.signalGroup("SIGTERM");
        // A stopped process receives its SIGTERM only when SIGCONT resumes it.
        process.signalGroup("SIGCONT");
      }),
      alarm(deadlines.killAt, () => {
        this.timedOut = true;
        this.kill();
      }),
      () => signal?.removeEventListener("abort", onAbort),
    );
    if (signal?.aborted) this.kill();
    return Promise.race([process.exited, unreaped]);
  }
}

/** At most this many runs linger. Each holds two descriptors, of 1,024 on the systems that give a process fewest. */
const mostLingering = 128;

/**
 * Runs that have ended while a background child of the plugin still holds the pipes. The bridge keeps reading, since SIGPIPE would
 * kill the child when it prints. But when plugins leave such a child behind for each container, the bridge must not run out of
 * descriptors, since it could start nothing any more: past the limit it closes the pipes of the oldest run.
 */
export class Lingering {
  private readonly processes = new Set<Spawned>();

  constructor(private readonly onCrowded: (fields: object) => void) {}

  add(process: Spawned, output: RunOutput): void {
    process.keepAlive(false);
    this.processes.add(process);
    output.linger(() => this.letGo(process));
    const [oldest] = this.processes;
    if (this.processes.size <= mostLingering || oldest === undefined) return;
    this.onCrowded({ pid: oldest.pid, most: mostLingering });
    this.letGo(oldest);
  }

  close(): void {
    for (const process of this.processes) this.letGo(process);
  }

  private letGo(process: Spawned): void {
    this.processes.delete(process);
    closeEnds(process.stdio);
  }
}

/**
 * Runs a process that has its request until it ends, and collects its result.
 * @param ending aborts when the bridge ends: the process is killed at once, whatever time it has left
 */
export async function runToEnd(
  process: Spawned,
  options: RunOptions,
  lingering: Lingering,
  ending: AbortSignal | undefined,
): Promise<RunResult> {
  const supervisor = new Supervisor(process, options, ending);
  const output = new RunOutput(process.stdio, options, () => supervisor.kill());
  options.onGiven?.();
  const exit = await supervisor.wait();
  const { timedOut, killed } = supervisor;
  const endRest = options.killChildren || timedOut || killed;
  const groupLives = process.signalGroup(endRest ? "SIGKILL" : 0);
  if ((await output.finish()) === "held") lingering.add(process, output);
  else closeEnds(process.stdio);
  // After SIGKILL the group may still consist of zombies, so only its leader shows whether the kernel could not end it.
  const isLeft = endRest ? !process.hasEnded() : groupLives;
  return {
    ...{ pid: process.pid, started: true, ...exit, timedOut, killed },
    ...{ stdout: output.stdout(), outputTooLarge: output.tooLarge, leftGroup: isLeft ? process.pid : null },
  };
}
