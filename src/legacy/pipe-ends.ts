import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";

import type { AnonymousPipe } from "./anonymous-pipe.js";
import { errorCode } from "./go-errors.js";

/** Our end of a plugin's stdout or stderr. */
export class OutputReader {
  private readonly socket: Socket;
  private onEnd: () => void = () => {};

  constructor(
    private readonly pipe: AnonymousPipe,
    private readonly onChunk: (chunk: Uint8Array) => void,
  ) {
    this.socket = new Socket({ fd: pipe.openOwnEnd("read"), readable: true, writable: false });
    this.socket.on("data", this.onChunk);
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.onEnd());
  }

  /**
   * The plugin has ended: takes what is still in the pipe. `held`: a background child keeps the other end, and more may
   * come.
   *
   * The socket hands on a chunk in the same turn in which it reads it, so nothing lies between it and the pipe.
   */
  finish(): "ended" | "held" {
    const state = this.pipe.drain(this.onChunk);
    if (state === "ended") this.socket.destroy();
    return state;
  }

  /**
   * Reads on for a background child, which would die of SIGPIPE if nobody did, until it lets go. Keeps no event loop
   * alive.
   */
  linger(onEnd: () => void): void {
    if (this.socket.destroyed) {
      onEnd();
      return;
    }
    this.onEnd = onEnd;
    this.socket.unref();
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Our end of a plugin's stdin, with the request in it. */
export class RequestWriter {
  private socket: Socket | null = null;

  /**
   * Writes what the pipe takes before there is a process: mostly all of it, and then the end is closed already. A pipe
   * that nobody reads takes 64 KiB; the rest goes when the plugin reads, or never.
   */
  constructor(pipe: AnonymousPipe, request: Uint8Array) {
    const descriptor = pipe.openOwnEnd("write");
    const written = writeSome(descriptor, request);
    if (written === request.length) {
      closeSync(descriptor);
      return;
    }
    this.socket = new Socket({ fd: descriptor, readable: false, writable: true });
    // A plugin need not read its request.
    this.socket.on("error", () => {});
    this.socket.end(request.subarray(written));
  }

  close(): void {
    this.socket?.destroy();
    this.socket = null;
  }
}

function writeSome(descriptor: number, bytes: Uint8Array): number {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (thrown) {
      if (errorCode(thrown) === "EAGAIN") return written;
      closeSync(descriptor);
      throw thrown;
    }
  }
  return written;
}
