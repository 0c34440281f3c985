/** Says that an answer is no longer wanted, and why. An AbortSignal costs as much as decoding an event. */
export class Cancellation {
  cancelled = false;
  reason: unknown;
  private readonly listeners = new Set<() => void>();

  /** Only the first call counts. */
  cancel(reason: unknown): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.reason = reason;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }

  /** Calls back once, from within `cancel`; never when that has been already. Gives what stops listening. */
  listen(listener: () => void): () => void {
    if (!this.cancelled) this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
