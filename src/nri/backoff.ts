/** How long to wait between connections, in milliseconds. */
export interface BackoffOptions {
  /** The shortest first wait. */
  readonly firstMs?: number;
  /** The longest wait of all; a connection that lasts longer is a good one, and the waits start anew. */
  readonly maxMs?: number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Exponential back-off with jitter: from 2 to 3 s, doubling, up to 60 s.
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

  /** The wait before the next attempt, after a connection that lasted so long; 0 for one that never was. */
  nextDelayMs(connectedMs: number): number {
    if (connectedMs >= this.maxMs) this.failures = 0;
    const shortest = Math.min(this.firstMs * 2 ** this.failures, (this.maxMs * 3) / 4);
    const longest = Math.min(shortest * 1.5, this.maxMs);
    this.failures += 1;
    return shortest + this.random() * (longest - shortest);
  }
}
