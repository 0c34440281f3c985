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
  /** The plugin's stdin, stdout and stderr, in blocking mode. The caller closes them once the plugin's process has them. */
  readonly pluginEnds: readonly [number, number, number];
}

/** Makes the three pipes of one process. @throws NativeError with the errno when pipe2(2) fails, as for want of descriptors */
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

/** Closes all ends of the pipes of a process that did not start. */
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

/** The bridge's end of a plugin's stdin. Takes over a non-blocking descriptor, and closes it. */
export class RequestWriter implements RequestEnd {
  private socket: Socket | undefined;

  constructor(private descriptor: number | null) {}

  /**
   * Writes as much of the request as the pipe takes at once: mostly all of it, and then this closes the pipe. A pipe that the
   * plugin does not read takes 64 KiB; the bridge writes the rest when the plugin reads, or never.
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
      // A plugin may end or close its stdin without reading the request: that is no error.
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

/**
 * `finish` reads at most this many bytes, more than any pipe holds (/proc/sys/fs/pipe-max-size): a background child that prints
 * faster than the bridge reads must not keep the bridge reading.
 */
const maxDrainBytes = 1 << 20;

/**
 * The watch of a pipe begins this late, in milliseconds. Most plugins have ended by then; one that fills its pipe sooner blocks
 * until the watch begins.
 */
const watchAfterMs = 1;

/** What all processes of a spawner share. */
export interface PolledParts {
  readonly libc: Libc;
  readonly events: EventPoll;
  /** The buffer for each read(2); the bridge copies every chunk out of it. */
  readonly scratch: Buffer;
}

/** The bridge's end of a plugin's stdout or stderr, without a Node stream. Takes over a non-blocking descriptor, and closes it. */
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

  /** The descriptor for poll(2), which ignores a negative one; -1 when this end is closed. */
  get openDescriptor(): number {
    return this.open ? this.descriptor : -1;
  }

  /**
   * Begins to watch the pipe only after `watchAfterMs`: most plugins end before, and `finish` then reads their output without a
   * watch.
   */
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

  /**
   * Watches the pipe by epoll. When the kernel has no memory for the watch, the bridge reads the pipe only when the process ends.
   */
  private watch(): void {
    clearTimeout(this.timer);
    if (this.open) this.stopWatching ??= this.parts.events.watch(this.descriptor, () => this.readSome());
  }

  /**
   * Reads one chunk and passes it to `onChunk`; closes this end at the end of the data. Returns the number of bytes read, 0 when
   * this end is closed, and null when the pipe is empty now.
   */
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
