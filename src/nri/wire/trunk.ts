/** The one byte stream under the mux: a connected unix socket. */
export interface Trunk {
  /** Queues these parts in order, nothing between them, without copying them. After the close it does nothing. */
  write(parts: readonly Uint8Array[]): void;

  /** The one listener for what arrives. A chunk is the listener's to keep: nobody writes into it again. */
  onData(listener: (chunk: Uint8Array) => void): void;

  /** Called once, never from within another call of this trunk; error is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void;

  /** Sends what is queued, then ends; with an error it ends at once. */
  close(error?: Error): void;
}

/**
 * A byte stream with one owner: one of the mux's two connections, as ttRPC sees it. What arrives comes in chunks whose
 * borders mean nothing; what is sent goes message by message.
 */
export interface Channel {
  /**
   * Queues one whole ttRPC message; never interleaved with another message of this channel. The channel keeps the array:
   * do not write into it afterwards. After the close it does nothing.
   */
  send(message: Uint8Array): void;

  /**
   * The one listener for what arrives; chunks that came before it are delivered at once. A chunk is the listener's to
   * keep: nobody writes into it again.
   */
  onData(listener: (chunk: Uint8Array) => void): void;

  /** Called once, never from within another call of this channel; error is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void;

  /**
   * Ends the connection, every other channel on it included: the mux has no close frame, so the peer of a channel
   * closed alone would wait for ever. What is queued is still sent unless an error is given.
   */
  close(error?: Error): void;
}

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
