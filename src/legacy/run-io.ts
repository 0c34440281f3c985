import { LineSplitter } from "./line-splitter.js";
import type { SpawnOptions } from "./spawner.js";
import type { StdioEnds } from "./started-process.js";

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
    private readonly options: Pick<SpawnOptions, "limits" | "onStderrLine">,
  ) {
    this.lines = new LineSplitter(options.limits.stderrLines, options.onStderrLine);
    stdio.stdout.read((chunk) => this.capture(chunk));
    stdio.stderr.read((chunk) => this.lines.push(chunk));
  }

  /** The process has ended: takes what it left in the pipes. `held`: a child of it may still write. */
  async finish(): Promise<"ended" | "held"> {
    this.stdio.closeStdin();
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
