/** The shortest first wait, in milliseconds. */
const firstMs = 2000;
/** The longest wait of all, in milliseconds; after a connection that lasts longer the waits start anew. */
const maxMs = 60_000;

/**
 * Exponential back-off with jitter after connections that neither served events nor lasted: from 2 to 3 s, doubling, up to
 * 60 s. A socket without a listener is tried every 2 to 3 s: that costs the runtime nothing, and when it is back its pods
 * want their plugins.
 *
 * Reconnecting is not free: a registration waits for the runtime's lock, and while a container is being stopped that
 * wait holds up every container operation of the node (containerd#14083). So the first wait is long as well, and all
 * plugins of a restarted runtime do not come at once.
 */
export class Backoff {
  private failures = 0;

  /** @param random in [0, 1) */
  constructor(private readonly random: () => number = Math.random) {}

  /** The wait before the next attempt, after a connection of this duration. @param served it answered events in time */
  nextDelayMs(connectedMs: number, served = false): number {
    if (served || connectedMs >= maxMs) this.failures = 0;
    this.failures += 1;
    return this.jittered(firstMs * 2 ** (this.failures - 1));
  }

  /** The same when there was no connection to be had. */
  retryDelayMs(): number {
    return this.jittered(firstMs);
  }

  private jittered(ms: number): number {
    const shortest = Math.min(ms, (maxMs * 3) / 4);
    const longest = Math.min(shortest * 1.5, maxMs);
    return shortest + this.random() * (longest - shortest);
  }
}
