import { LineSplitter } from "./line-splitter.js";
import { OutputReader, RequestWriter } from "./pipe-ends.js";
import type { StdioPipes } from "./pipe-pool.js";
import type { SpawnOptions } from "./spawner.js";

/** What goes in and out of one run: the request, the captured stdout, the lines of stderr. */
export class RunIo {
  /** Called once, when there is more on stdout than the limit. */
  onTooLarge: () => void = () => {};
  tooLarge = false;

  private readonly request: RequestWriter;
  private readonly out: OutputReader;
  private readonly err: OutputReader;
  private readonly lines: LineSplitter;
  private readonly captured: Uint8Array[] = [];
  private capturedBytes = 0;
  private finished = false;

  constructor(
    private readonly pipes: StdioPipes,
    private readonly options: Pick<SpawnOptions, "stdin" | "limits" | "onStderrLine">,
  ) {
    this.lines = new LineSplitter(options.limits.stderrLines, options.onStderrLine);
    this.request = new RequestWriter(pipes.stdin, options.stdin);
    this.out = new OutputReader(pipes.stdout, (chunk) => this.capture(chunk));
    this.err = new OutputReader(pipes.stderr, (chunk) => this.lines.push(chunk));
  }

  /** The process has ended: takes what it left in the pipes. `held`: a child of it may still write. */
  finish(): "ended" | "held" {
    this.request.close();
    const states = [this.out.finish(), this.err.finish()];
    this.finished = true;
    this.lines.flush();
    return states.includes("held") ? "held" : "ended";
  }

  stdout(): Uint8Array {
    return Buffer.concat(this.captured);
  }

  /** Whether nobody is left to read from the plugin's stdin, which is then empty again. */
  isRequestOver(): boolean {
    return this.pipes.stdin.drain(() => {}) === "ended" && !this.pipes.stdin.hasForeignReader();
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
    this.out.linger(onOneEnd);
    this.err.linger(onOneEnd);
  }

  close(): void {
    this.request.close();
    this.out.close();
    this.err.close();
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
