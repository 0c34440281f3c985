import { Socket } from "node:net";

import type { AnonymousPipe } from "./anonymous-pipe.js";
import type { OutputEnd } from "./started-process.js";

/** Our end of a plugin's stdout or stderr, read by a stream of Node's. */
export class OutputReader implements OutputEnd {
  private readonly socket: Socket;
  private onChunk: (chunk: Uint8Array) => void = () => {};
  private onEnd: () => void = () => {};
  private alive = true;

  constructor(private readonly pipe: AnonymousPipe) {
    this.socket = new Socket({ fd: pipe.openOwnEnd("read"), readable: true, writable: false });
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.onEnd());
  }

  read(onChunk: (chunk: Uint8Array) => void): void {
    this.onChunk = onChunk;
    if (this.socket.listenerCount("data") === 0) this.socket.on("data", (chunk) => this.onChunk(chunk));
  }

  keepAlive(alive: boolean): void {
    if (alive === this.alive) return;
    this.alive = alive;
    if (alive) this.socket.ref();
    else this.socket.unref();
  }

  /** The socket hands on a chunk in the same turn in which it reads it, so nothing lies between it and the pipe. */
  finish(): "ended" | "held" {
    const state = this.pipe.drain((chunk) => this.onChunk(chunk));
    if (state === "ended") this.socket.destroy();
    return state;
  }

  linger(onEnd: () => void): void {
    if (this.socket.destroyed) {
      onEnd();
      return;
    }
    this.onEnd = onEnd;
    this.keepAlive(false);
  }

  close(): void {
    this.socket.destroy();
  }
}
