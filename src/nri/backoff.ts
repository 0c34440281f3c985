/** The shortest first wait, in milliseconds. */
const firstMs = 2000;
/** The longest wait, in milliseconds. After a connection that lasted at least this long, the waits start anew. */
const maxMs = 60_000;

/**
 * How long the bridge waits before it connects to the runtime again. After a connection that neither served events nor lasted, the
 * wait is exponential with jitter: from 2 to 3 s, doubling, up to 60 s. While no process listens on the socket, the bridge tries
 * every 2 to 3 s: a failed connect costs the runtime nothing, and the pods of a runtime that is back need their plugins.
 *
 * A registration costs the runtime something: the registration waits for the runtime's lock, and while the runtime stops a
 * container, that wait blocks every container operation of the node (containerd#14083). This is why the first wait is long too;
 * with the jitter, the plugins of a restarted runtime do not all register at once.
 */
export class Backoff {
  private failures = 0;

  /** @param random returns a number in [0, 1) for the jitter */
  constructor(private readonly random: () => number = Math.random) {}

  /**
   * The wait before the next attempt, in milliseconds.
   * @param connectedMs how long the last connection lasted
   * @param served whether the bridge answered events in time on the last connection
   */
  nextDelayMs(connectedMs: number, served = false): number {
    if (served || connectedMs >= maxMs) this.failures = 0;
    this.failures += 1;
    return this.jittered(firstMs * 2 ** (this.failures - 1));
  }

  /** The wait before the next attempt when the last one could not connect, in milliseconds. */
  retryDelayMs(): number {
    return this.jittered(firstMs);
  }

  private jittered(ms: number): number {
    const shortest = Math.min(ms, (maxMs * 3) / 4);
    const longest = Math.min(shortest * 1.5, maxMs);
    return shortest + this.random() * (longest - shortest);
  }
}
