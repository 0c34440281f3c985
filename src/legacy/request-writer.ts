import { closeSync, writeSync } from "node:fs";
import { Socket } from "node:net";

import { errorCode } from "./go-errors.js";

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
   * @returns false when nobody can read it any more
   * @throws the system's error, when there is another one
   */
  send(request: Uint8Array): boolean {
    const { descriptor } = this;
    if (descriptor === null) return false;
    const written = writeSome(descriptor, request);
    if (written === null) return false;
    if (written === request.length) {
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

/** How many bytes the pipe took; null when it has no reader. */
function writeSome(descriptor: number, bytes: Uint8Array): number | null {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (thrown) {
      const code = errorCode(thrown);
      if (code === "EAGAIN") return written;
      if (code === "EPIPE") return null;
      throw thrown;
    }
  }
  return written;
}
