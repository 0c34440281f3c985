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
