import { closeSync } from "node:fs";

import { type Libc, NativeError } from "../ffi/libc.js";
import { PolledOutput, type PolledParts } from "./polled-output.js";
import { RequestWriter } from "./request-writer.js";
import type { StdioEnds } from "./started-process.js";

const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const setStatusFlags = 4;
/** Most plugins have ended by then; one that fills a pipe sooner waits so long. */
const watchOutputAfterMs = 1;

export interface PolledPipes {
  readonly ends: PolledEnds;
  /** The plugin's stdin, stdout and stderr, which block. To be closed when it has them. */
  readonly pluginEnds: readonly [number, number, number];
}

/**
 * Makes the pipes of one process. A request that is known lies in its pipe before there is a process.
 *
 * @throws the system's error when there are no descriptors
 */
export function openPolledPipes(parts: PolledParts, request: Uint8Array | null): PolledPipes {
  const opened: number[] = [];
  try {
    const stdin = openPipe(parts.libc, opened);
    const stdout = openPipe(parts.libc, opened);
    const stderr = openPipe(parts.libc, opened);
    for (const own of [stdin.write, stdout.read, stderr.read]) parts.libc.fcntl(own, setStatusFlags, nonBlocking);
    const writer = new RequestWriter(stdin.write);
    // One that waits for its request is not to print anything: that is noticed at once.
    const delayMs = request === null ? 0 : watchOutputAfterMs;
    const ends = new PolledEnds(
      writer,
      new PolledOutput(stdout.read, parts, delayMs),
      new PolledOutput(stderr.read, parts, delayMs),
    );
    if (request !== null) writer.send(request);
    return { ends, pluginEnds: [stdin.read, stdout.write, stderr.write] };
  } catch (thrown) {
    for (const descriptor of opened) closeSync(descriptor);
    throw thrown;
  }
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
