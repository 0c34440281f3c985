import { closeSync } from "node:fs";

import { type Libc, NativeError } from "../ffi/libc.js";
import { PolledOutput, type PolledParts } from "./polled-output.js";
import { RequestWriter } from "./request-writer.js";
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
