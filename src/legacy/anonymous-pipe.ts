import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

import { errorCode } from "./go-errors.js";

const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** More than any pipe holds (/proc/sys/fs/pipe-max-size): who fills it faster than we read is not waited for. */
const maxDrainBytes = 1 << 20;
/** Mostly there is nothing or little left; then it comes from Buffer's pool. */
const firstChunkBytes = 2048;
const chunkBytes = 1 << 16;

/**
 * A pipe without a name, held by one reading descriptor. Each end that a run needs is opened anew through /proc, so that
 * ends of one pipe can differ in O_NONBLOCK: the plugin's block, ours do not.
 *
 * The hold is no writer: a reader sees the end of the data when the writers of the run are gone.
 */
export class AnonymousPipe {
  private closed = false;

  /** Takes over `hold`, a non-blocking reading descriptor of the pipe. */
  constructor(private hold: number) {}

  /** Opens an end that blocks, for a plugin. The caller closes it. */
  openPluginEnd(direction: "read" | "write"): number {
    return reopen(this.hold, direction === "read" ? O_RDONLY : O_WRONLY);
  }

  /** Opens an end that does not block, for us. The caller closes it. */
  openOwnEnd(direction: "read" | "write"): number {
    return reopen(this.hold, (direction === "read" ? O_RDONLY : O_WRONLY) | O_NONBLOCK);
  }

  /** Hands on what is in the pipe now. `ended`: it is empty and has no writer; `held`: somebody may still write. */
  drain(onChunk: (chunk: Uint8Array) => void): "ended" | "held" {
    let drained = 0;
    while (drained < maxDrainBytes) {
      const chunk = Buffer.allocUnsafe(drained === 0 ? firstChunkBytes : chunkBytes);
      let size: number;
      try {
        size = readSync(this.hold, chunk, 0, chunk.length, null);
      } catch (thrown) {
        if (errorCode(thrown) === "EAGAIN") return "held";
        throw thrown;
      }
      if (size === 0) return "ended";
      drained += size;
      onChunk(chunk.subarray(0, size));
    }
    return "held";
  }

  /**
   * Whether somebody else still reads from this pipe. Only for a pipe that nobody is believed to read: the one byte
   * that finds out goes to such a reader. The pipe is empty again when there is none.
   */
  hasForeignReader(): boolean {
    const writer = this.openOwnEnd("write");
    try {
      closeSync(this.hold);
      try {
        writeSync(writer, "\n");
        return true;
      } catch (thrown) {
        if (errorCode(thrown) !== "EPIPE") throw thrown;
        return false;
      } finally {
        this.hold = reopen(writer, O_RDONLY | O_NONBLOCK);
      }
    } finally {
      closeSync(writer);
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.hold);
  }
}

function reopen(descriptor: number, flags: number): number {
  return openSync(`/proc/self/fd/${descriptor}`, flags);
}
