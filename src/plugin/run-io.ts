import { ownOpenFiles } from "./inherited.js";
import { closeEnds, type Spawned, type StdioEnds } from "./spawner.js";
import type { RunOptions } from "./start.js";

/** What comes out of one run: the captured stdout, the lines of stderr. */
export class RunIo {
  /** Called once, when there is more on stdout than the limit. */
  onTooLarge: () => void = () => {};
  tooLarge = false;

  private readonly lines: LineSplitter;
  private readonly captured: Uint8Array[] = [];
  private capturedBytes = 0;
  private finished = false;

  constructor(
    private readonly stdio: StdioEnds,
    private readonly options: Pick<RunOptions, "limits" | "onStderrLine">,
  ) {
    this.lines = new LineSplitter(options.limits.stderrLines, options.onStderrLine);
    stdio.stdout.read((chunk) => this.capture(chunk));
    stdio.stderr.read((chunk) => this.lines.push(chunk));
  }

  /** The process has ended: takes what it left in the pipes. `held`: a child of it may still write. */
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

  /**
   * Reads on for background children. What they print on stdout is nobody's; their stderr goes where the plugin's went.
   */
  linger(onEnd: () => void): void {
    let open = 2;
    const onOneEnd = (): void => {
      if (--open === 0) {
        this.lines.flush();
        onEnd();
      }
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

/** A longer line is cut: a log is no place for a plugin's dump. */
const maxLineBytes = 8192;
const newline = 0x0a;
const carriageReturn = 0x0d;

/** A plugin's stderr as lines of text: so many, each so long, invalid UTF-8 replaced. */
export class LineSplitter {
  private parts: Uint8Array[] = [];
  private partBytes = 0;
  private lines = 0;

  constructor(
    private readonly maxLines: number,
    private readonly onLine: (line: string) => void,
  ) {}

  push(chunk: Uint8Array): void {
    // Once suppressed, the rest is not even looked at: a plugin that prints without end must not cost more than reading.
    if (this.lines > this.maxLines) return;
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      this.keep(chunk.subarray(from, end));
      this.emit();
      from = end + 1;
    }
    this.keep(chunk.subarray(from));
  }

  /** The end of the data, or of our patience: what has no newline yet is a line. */
  flush(): void {
    if (this.partBytes > 0) this.emit();
  }

  private keep(part: Uint8Array): void {
    if (part.length === 0) return;
    const room = maxLineBytes - this.partBytes;
    // Copied: a chunk is the reader's, and a part may wait for long.
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

/** Of the descriptors that we may have, what background processes of plugins take at most. */
const share = 1 / 4;
const mostEver = 1_024;
/** Its stdout and its stderr. */
const descriptorsEach = 2;

/** So many runs may linger. */
export function mostLingering(openFiles = ownOpenFiles()): number {
  return Math.max(4, Math.min(mostEver, Math.floor((openFiles * share) / descriptorsEach)));
}

/**
 * Runs that have ended, while a background child of theirs still holds the pipes. We read on, since it would die of SIGPIPE
 * when it prints; but a node whose plugins leave one behind for each container must not come to the end of our descriptors,
 * where nothing can be started any more. So the oldest is let go of when there are too many.
 */
export class Lingering {
  private readonly processes = new Set<Spawned>();

  /** `onCrowded`: told of each process whose background children are not read from any more. */
  constructor(
    private readonly most: number,
    private readonly onCrowded: (pid: number, most: number) => void,
  ) {}

  /** Pipes that somebody else may still hold are closed when he lets go of them. */
  add(process: Spawned, io: RunIo): void {
    process.keepAlive(false);
    this.processes.add(process);
    io.linger(() => {
      this.processes.delete(process);
      closeEnds(process.stdio);
    });
    const [oldest] = this.processes;
    if (this.processes.size <= this.most || oldest === undefined) return;
    this.onCrowded(oldest.pid, this.most);
    this.processes.delete(oldest);
    closeEnds(oldest.stdio);
  }

  close(): void {
    for (const process of this.processes) closeEnds(process.stdio);
  }
}
