/**
 * Tells a handler that the runtime no longer waits for its answer, and why. The bridge makes one for each call; an AbortSignal would
 * cost as much as decoding the event.
 */
export class Cancellation {
  cancelled = false;
  reason: unknown;
  private readonly listeners = new Set<() => void>();

  /** Calls every listener; a second call has no effect. */
  cancel(reason: unknown): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.reason = reason;
    for (const listener of this.listeners) listener();
    this.listeners.clear();
  }

  /**
   * `cancel` calls the listener once, before it returns. A listener that is added after `cancel` is never called.
   * @returns a function that removes the listener
   */
  listen(listener: () => void): () => void {
    if (!this.cancelled) this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
