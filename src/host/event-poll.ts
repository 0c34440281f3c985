import { closeSync } from "node:fs";
import { type Koffi, type Libc, NativeError, type PollHandle } from "./native.js";

const epollCloseOnExec = 0o2000000;
const operations = { add: 1, delete: 2 } as const;
const readable = 1;
const batch = 64; // The most events that one turn of the event loop handles; the next turn handles the rest.
/** The offset of `data` in struct epoll_event: u32 events, u64 data. The kernel packs the struct on x86. */
const dataOffset = process.arch === "x64" || process.arch === "ia32" ? 4 : 8;
const eventBytes = dataOffset + 8;

/**
 * Watches descriptors that Node's own classes cannot watch: pidfds, and pipes without a stream. One epoll descriptor holds them
 * all, so that a watch costs one system call.
 */
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

  /** @throws NativeError when epoll_create1 fails */
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
   * Calls `onReady` in each turn of the event loop in which the descriptor is readable or hung up.
   * @returns a function that ends the watch, to be called before the descriptor is closed; undefined when the kernel
   *   refuses to watch the descriptor, or `close` was called
   */
  watch(descriptor: number, onReady: () => void): (() => void) | undefined {
    if (this.closed) return undefined;
    // epoll's data is a token and not the descriptor's number: a listener may close the descriptor, and another file may get the
    // number, before a later event of the same batch is handled.
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

  /** Keeps Node's event loop alive until `letGo` has been called as many times as `hold`. */
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

  /**
   * Calls the listeners from a callback of Node (setImmediate), in this turn of the event loop. koffi's callback runs outside of
   * Node's callback scope, so promises that a listener settles there would not continue.
   */
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
