import { CloseEvent, type Trunk } from "../../src/nri/wire/trunk.js";
import { concat } from "../support/bytes.js";

/** A trunk whose other end is the test. */
export class MemoryTrunk implements Trunk {
  readonly writes: (readonly Uint8Array[])[] = [];
  closedWith: Error | "orderly" | undefined;
  private dataListener: (chunk: Uint8Array) => void = () => {};
  private readonly ended = new CloseEvent();

  write(parts: readonly Uint8Array[]): void {
    if (this.closedWith !== undefined) throw new Error("a write after the close");
    this.writes.push(parts);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.dataListener = listener;
  }

  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  close(error?: Error): void {
    this.closedWith = error ?? "orderly";
    this.end(error);
  }

  /** Lets bytes arrive. */
  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.dataListener(chunk);
  }

  /** Lets the peer end the connection. */
  end(error?: Error): void {
    this.ended.fire(error);
  }

  written(): Uint8Array {
    return concat(this.writes.flat());
  }
}
