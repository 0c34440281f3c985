import { closeSync } from "node:fs";
import { type Koffi, type Libc, NativeError, type PollHandle } from "./native.js";

const epollCloseOnExec = 0o2000000;
const operations = { add: 1, delete: 2 } as const;
const readable = 1;
const batch = 64; // Told of in one turn; the rest in the next.
/** struct epoll_event: u32 events, u64 data; packed where a 32-bit program can run on the same kernel (x86). */
const dataOffset = process.arch === "x64" || process.arch === "ia32" ? 4 : 8;
const eventBytes = dataOffset + 8;

/** Watches descriptors that Node does not: pidfds, bare pipes. One epoll descriptor holds all; a watch costs one system call. */
export class EventPoll {
  private readonly epoll: number;
  private readonly handle: PollHandle;
  private readonly listeners = new Map<number, () => void>();
  private readonly event = Buffer.alloc(eventBytes);
  private readonly events = Buffer.alloc(eventBytes * batch);
  private lastToken = 0;
  private holds = 0;
  private scheduled = false;
  private closed = false;

  /** @throws Error when the system gives no epoll descriptor */
  constructor(
    koffi: Koffi,
    private readonly libc: Libc,
  ) {
    this.epoll = libc.epollCreate(epollCloseOnExec);
    if (this.epoll < 0) throw new NativeError("epoll_create1", libc.lastError());
    this.handle = koffi.node.poll(this.epoll, { readable: true }, () => this.schedule());
    this.handle.unref();
  }

  /**
   * Calls back in each turn in which the descriptor is readable or hung up, until the returned function is called, which has to be
   * before the descriptor is closed. undefined when the system does not watch it.
   */
  watch(descriptor: number, onReady: () => void): (() => void) | undefined {
    if (this.closed) return undefined;
    // Not the descriptor itself, which may be another's already when an event of this batch is told.
    const token = ++this.lastToken;
    this.event.writeUInt32LE(readable, 0);
    this.event.writeBigUInt64LE(BigInt(token), dataOffset);
    if (this.libc.epollControl(this.epoll, operations.add, descriptor, this.event) < 0) return undefined;
    this.listeners.set(token, onReady);
    return () => {
      if (!this.listeners.delete(token) || this.closed) return;
      this.libc.epollControl(this.epoll, operations.delete, descriptor, this.event);
    };
  }

  /** Keeps the event loop alive until as many calls of `letGo`. */
  hold(): void {
    if (this.holds++ === 0 && !this.closed) this.handle.ref();
  }

  letGo(): void {
    if (--this.holds === 0 && !this.closed) this.handle.unref();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.listeners.clear();
    this.handle.close();
    closeSync(this.epoll);
  }

  /** Into a callback of Node's own, still in this turn of the loop: only after such a one promises go on. */
  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    if (this.closed) return;
    const count = this.libc.epollWait(this.epoll, this.events, batch, 0);
    for (let i = 0; i < count; i++) {
      this.listeners.get(Number(this.events.readBigUInt64LE(i * eventBytes + dataOffset)))?.();
    }
  }
}
