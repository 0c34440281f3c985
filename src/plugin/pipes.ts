import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import type { EventPoll } from "../host/event-poll.js";
import { type Libc, NativeError } from "../host/native.js";
import { errorCode } from "./go-errors.js";
import { closeEnds, type OutputEnd, type RequestEnd, type StdioEnds } from "./spawner.js";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setStatusFlags = 4;

export interface PolledPipes {
  readonly ends: StdioEnds & { readonly stdout: PolledOutput };
  /** The plugin's stdin, stdout and stderr, which block. To be closed when it has them. */
  readonly pluginEnds: readonly [number, number, number];
}

/**
 * Makes the pipes of one process.
 *
 * @throws the system's error when there are no descriptors
 */
export function openPolledPipes(parts: PolledParts): PolledPipes {
  const opened: number[] = [];
  try {
    const stdin = openPipe(parts.libc, opened);
    const stdout = openPipe(parts.libc, opened);
    const stderr = openPipe(parts.libc, opened);
    for (const own of [stdin.write, stdout.read, stderr.read]) parts.libc.fcntl(own, setStatusFlags, nonBlocking);
    return {
      ends: {
        stdin: new RequestWriter(stdin.write),
        stdout: new PolledOutput(stdout.read, parts),
        stderr: new PolledOutput(stderr.read, parts),
      },
      pluginEnds: [stdin.read, stdout.write, stderr.write],
    };
  } catch (thrown) {
    for (const descriptor of opened) closeSync(descriptor);
    throw thrown;
  }
}

/** Closes them all, for want of a process. */
export function closePolledPipes({ ends, pluginEnds }: PolledPipes): void {
  closeEnds(ends);
  for (const descriptor of pluginEnds) closeSync(descriptor);
}

function openPipe(libc: Libc, opened: number[]): { readonly read: number; readonly write: number } {
  const pair = new Int32Array(2);
  if (libc.pipe2(pair, closeOnExec) < 0) throw new NativeError("pipe2", libc.lastError());
  const [read = -1, write = -1] = pair;
  opened.push(read, write);
  return { read, write };
}

/** Our end of a plugin's stdin. Takes over a descriptor that does not block. */
export class RequestWriter implements RequestEnd {
  private socket: Socket | undefined;

  constructor(private descriptor: number | null) {}

  /**
   * Writes what the pipe takes at once: mostly all of it, and then the end is closed already. A pipe that is not read takes
   * 64 KiB; the rest goes when the plugin reads, or never.
   */
  send(request: Uint8Array): boolean {
    const { descriptor } = this;
    if (descriptor === null) return false;
    let written = 0;
    try {
      while (written < request.length) written += writeSync(descriptor, request, written);
    } catch (thrown) {
      if (errorCode(thrown) === "EPIPE") {
        if (written > 0) this.close();
        return written > 0;
      }
      this.descriptor = null;
      this.socket = new Socket({ fd: descriptor, readable: false, writable: true });
      // A plugin need not read its request.
      this.socket.on("error", () => {});
      this.socket.end(request.subarray(written));
      return true;
    }
    this.close();
    return true;
  }

  close(): void {
    if (this.descriptor !== null) closeSync(this.descriptor);
    this.descriptor = null;
    this.socket?.destroy();
  }
}

/** More than any pipe holds (/proc/sys/fs/pipe-max-size): one that fills it faster than we read is not waited for. */
const maxDrainBytes = 1 << 20;

/** Most plugins have ended by then; one that fills a pipe sooner waits for that. */
const watchAfterMs = 1;

/** Shared by all processes of a spawner. */
export interface PolledParts {
  readonly libc: Libc;
  readonly events: EventPoll;
  /** Read into, and copied out of. */
  readonly scratch: Buffer;
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

  /** For poll(2), which takes a negative one for none. */
  get openDescriptor(): number {
    return this.open ? this.descriptor : -1;
  }

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

  /** Where the system has no memory for a watch, it is read at its process's end. */
  private watch(): void {
    clearTimeout(this.timer);
    if (this.open) this.stopWatching ??= this.parts.events.watch(this.descriptor, () => this.readSome());
  }

  /** Hands on a chunk, or closes at the end of the data. null when there is nothing now. */
  readSome(): number | null {
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
