/** How long to wait between connections, in milliseconds. */
export interface BackoffOptions {
  /** The shortest first wait. */
  readonly firstMs?: number;
  /** The longest wait of all; after a connection that lasts longer the waits start anew. */
  readonly maxMs?: number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Exponential back-off with jitter after connections that neither served events nor lasted: from 2 to 3 s, doubling, up to
 * 60 s. A socket that nobody listens at is tried every 2 to 3 s: that costs the runtime nothing, and when it is back its pods
 * want their plugins.
 *
 * Reconnecting is not free: a registration waits for the runtime's lock, and while a container is being stopped that
 * wait holds up every container operation of the node (containerd#14083). So the first wait is long as well, and all
 * plugins of a restarted runtime do not come at once.
 */
export class Backoff {
  private readonly firstMs: number;
  private readonly maxMs: number;
  private readonly random: () => number;
  private failures = 0;

  constructor(options: BackoffOptions = {}) {
    this.firstMs = options.firstMs ?? 2000;
    this.maxMs = options.maxMs ?? 60_000;
    this.random = options.random ?? Math.random;
  }

  /** The wait before the next attempt, after a connection that lasted so long. @param served it answered events in time */
  nextDelayMs(connectedMs: number, served = false): number {
    if (served || connectedMs >= this.maxMs) this.failures = 0;
    this.failures += 1;
    return this.jittered(this.firstMs * 2 ** (this.failures - 1));
  }

  /** The same when there was no connection to be had. */
  retryDelayMs(): number {
    return this.jittered(this.firstMs);
  }

  private jittered(ms: number): number {
    const shortest = Math.min(ms, (this.maxMs * 3) / 4);
    const longest = Math.min(shortest * 1.5, this.maxMs);
    return shortest + this.random() * (longest - shortest);
  }
}
