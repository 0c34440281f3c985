import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { type Libc, NativeError } from "../host/libc.js";
import { errorCode } from "./go-errors.js";
import { PolledOutput, type PolledParts } from "./polled-output.js";
import type { StdioEnds } from "./started-process.js";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setStatusFlags = 4;

export interface PolledPipes {
  readonly ends: PolledEnds;
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
      ends: new PolledEnds(
        new RequestWriter(stdin.write),
        new PolledOutput(stdout.read, parts),
        new PolledOutput(stderr.read, parts),
      ),
      pluginEnds: [stdin.read, stdout.write, stderr.write],
    };
  } catch (thrown) {
    for (const descriptor of opened) closeSync(descriptor);
    throw thrown;
  }
}

/** Closes them all, for want of a process. */
export function closePolledPipes({ ends, pluginEnds }: PolledPipes): void {
  ends.close();
  for (const descriptor of pluginEnds) closeSync(descriptor);
}

/** Our ends of one process's pipes. */
export class PolledEnds implements StdioEnds {
  constructor(
    private readonly stdin: RequestWriter,
    readonly stdout: PolledOutput,
    readonly stderr: PolledOutput,
  ) {}

  send(request: Uint8Array): boolean {
    return this.stdin.send(request);
  }

  closeStdin(): void {
    this.stdin.close();
  }

  close(): void {
    this.stdin.close();
    this.stdout.close();
    this.stderr.close();
  }
}

function openPipe(libc: Libc, opened: number[]): { readonly read: number; readonly write: number } {
  const pair = new Int32Array(2);
  if (libc.pipe2(pair, closeOnExec) < 0) throw new NativeError("pipe2", libc.lastError());
  const [read = -1, write = -1] = pair;
  opened.push(read, write);
  return { read, write };
}

/** Our end of a plugin's stdin. Takes over a descriptor that does not block. */
export class RequestWriter {
  private descriptor: number | null;
  private socket: Socket | null = null;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * Writes what the pipe takes at once: mostly all of it, and then the end is closed already. A pipe that nobody reads
   * takes 64 KiB; the rest goes when the plugin reads, or never.
   *
   * @returns false when nobody can read it any more, and nobody has seen a byte of it
   * @throws the system's error, when there is another one
   */
  send(request: Uint8Array): boolean {
    const { descriptor } = this;
    if (descriptor === null) return false;
    const { written, isRead } = writeSome(descriptor, request);
    if (!isRead && written === 0) return false;
    if (!isRead || written === request.length) {
      this.close();
      return true;
    }
    this.descriptor = null;
    this.socket = new Socket({ fd: descriptor, readable: false, writable: true });
    // A plugin need not read its request.
    this.socket.on("error", () => {});
    this.socket.end(request.subarray(written));
    return true;
  }

  close(): void {
    if (this.descriptor !== null) closeSync(this.descriptor);
    this.descriptor = null;
    this.socket?.destroy();
    this.socket = null;
  }
}

/** How many bytes the pipe took, and whether it still has a reader. */
function writeSome(descriptor: number, bytes: Uint8Array): { readonly written: number; readonly isRead: boolean } {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (thrown) {
      const code = errorCode(thrown);
      if (code === "EAGAIN") break;
      if (code === "EPIPE") return { written, isRead: false };
      throw thrown;
    }
  }
  return { written, isRead: true };
}
