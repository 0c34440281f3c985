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
