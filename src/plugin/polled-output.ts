import { closeSync } from "node:fs";

import type { EventPoll } from "../host/event-poll.js";
import type { Libc } from "../host/libc.js";
import type { OutputEnd } from "./started-process.js";

/** More than any pipe holds (/proc/sys/fs/pipe-max-size): who fills it faster than we read is not waited for. */
const maxDrainBytes = 1 << 20;

/** Most plugins have ended by then; one that fills a pipe sooner waits so long. */
const watchAfterMs = 1;

/** How often to look into a pipe that the system does not watch for us: it has no memory, or too many are watched. */
const pollIntervalMs = 10;

/** What all processes of a spawner share. */
export interface PolledParts {
  readonly libc: Libc;
  readonly events: EventPoll;
  /** Read into, and copied out of. */
  readonly scratch: Buffer;
  /** Where waitpid puts how a process ended. */
  readonly status: Int32Array;
}

/** Our end of a plugin's stdout or stderr, without a stream around it. Takes over a descriptor that does not block. */
export class PolledOutput implements OutputEnd {
  private onChunk: (chunk: Uint8Array) => void = () => {};
  private onEnd: () => void = () => {};
  private stopWatching: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private open = true;

  constructor(
    private readonly descriptor: number,
    private readonly parts: PolledParts,
  ) {}

  /** Looks a moment later only: the output of most plugins is then taken from the pipe at their end, without a watch. */
  read(onChunk: (chunk: Uint8Array) => void): void {
    this.onChunk = onChunk;
    this.timer ??= setTimeout(() => this.watch(), watchAfterMs);
  }

  finish(): "ended" | "held" {
    for (let drained = 0; this.open && drained < maxDrainBytes; ) {
      const size = this.readSome();
      if (size === null) return "held";
      drained += size;
    }
    return this.open ? "held" : "ended";
  }

  linger(onEnd: () => void): void {
    if (!this.open) {
      onEnd();
      return;
    }
    this.onEnd = onEnd;
    this.watch();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    clearTimeout(this.timer);
    this.stopWatching?.();
    closeSync(this.descriptor);
    this.onEnd();
  }

  private watch(): void {
    clearTimeout(this.timer);
    if (this.open) this.stopWatching ??= this.parts.events.watch(this.descriptor, () => this.readSome()) ?? this.poll();
  }

  /** Keeps no event loop alive: the process does, as long as somebody waits for it. */
  private poll(): () => void {
    const timer = setInterval(() => void this.finish(), pollIntervalMs).unref();
    return () => clearInterval(timer);
  }

  /** Hands on a chunk, or closes at the end of the data. null when there is nothing now. */
  private readSome(): number | null {
    const { libc, scratch } = this.parts;
    if (!this.open) return 0;
    const size = libc.read(this.descriptor, scratch, scratch.length);
    if (size > 0) {
      this.onChunk(Buffer.from(scratch.subarray(0, size)));
      return size;
    }
    if (size < 0 && libc.lastError() === "EAGAIN") return null;
    this.close();
    return 0;
  }
}
