/** How much the runs that nobody waits for may be, all together. */
export interface ObserverLimits {
  readonly running: number;
  readonly waiting: number;
  /** The same for those that are owed. */
  readonly owed: number;
}

const defaultObserverLimits: ObserverLimits = { running: 32, waiting: 1000, owed: 10_000 };

/**
 * The runs of observers (`async: true`): in order for each pod or container, side by side for different ones, and never
 * more than the limits, so that a slow observer cannot fill the node.
 */
export class Observers {
  private readonly queues = new Map<string, (() => Promise<void>)[]>();
  private running = 0;
  private waiting = 0;
  private readonly ready: string[] = [];
  private idleListeners: (() => void)[] = [];
  private closed = false;

  constructor(private readonly limits: ObserverLimits = defaultObserverLimits) {}

  /**
   * Takes a run in, and settles when it has ended; null when too many wait already, and this one is dropped: of those
   * that are owed far more may wait. A run never rejects.
   */
  run(id: string, work: () => Promise<unknown>, { owed = false } = {}): Promise<void> | null {
    if (this.waiting >= (owed ? this.limits.owed : this.limits.waiting)) return null;
    let settle = () => {};
    const over = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const start = () => work().then(settle);
    this.waiting += 1;
    const queue = this.queues.get(id);
    if (queue !== undefined) queue.push(start);
    else {
      this.queues.set(id, [start]);
      this.ready.push(id);
    }
    this.startReady();
    return over;
  }

  /** Starts no run any more: those that wait never end. */
  close(): void {
    this.closed = true;
    this.queues.clear();
    this.ready.length = 0;
    this.waiting = 0;
    this.tellIdle();
  }

  /** Resolves when nothing runs or waits. */
  idle(): Promise<void> {
    if (this.running === 0 && this.waiting === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleListeners.push(resolve));
  }

  private startReady(): void {
    while (!this.closed && this.running < this.limits.running) {
      const id = this.ready.shift();
      if (id === undefined) return;
      const start = this.queues.get(id)?.shift();
      if (start === undefined) continue;
      this.waiting -= 1;
      this.running += 1;
      void start().finally(() => this.ended(id));
    }
  }

  private ended(id: string): void {
    this.running -= 1;
    // The id becomes ready again only now: its runs are in order.
    if ((this.queues.get(id)?.length ?? 0) > 0) this.ready.push(id);
    else this.queues.delete(id);
    this.startReady();
    this.tellIdle();
  }

  private tellIdle(): void {
    if (this.running === 0 && this.waiting === 0) for (const listener of this.idleListeners.splice(0)) listener();
  }
}
