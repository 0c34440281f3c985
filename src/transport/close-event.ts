/** The one time that a connection ends: told once to everyone who asked, before or after. */
export class CloseEvent {
  private outcome: { readonly error: Error | undefined } | undefined;
  private readonly listeners: ((error?: Error) => void)[] = [];

  get fired(): boolean {
    return this.outcome !== undefined;
  }

  listen(listener: (error?: Error) => void): void {
    if (this.outcome === undefined) this.listeners.push(listener);
    else tell(listener, this.outcome.error);
  }

  /** Only the first call counts. */
  fire(error?: Error): void {
    if (this.outcome !== undefined) return;
    this.outcome = { error };
    for (const listener of this.listeners.splice(0)) tell(listener, error);
  }
}

/**
 * In a task of its own, so that a close inside `send` does not call back into the sender, and a listener that throws
 * is an uncaught exception of its own: loud, and no harm to the other listeners.
 */
function tell(listener: (error?: Error) => void, error: Error | undefined): void {
  queueMicrotask(() => listener(error));
}
