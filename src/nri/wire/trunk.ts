/** The one byte stream under the mux: a connected unix socket. */
export interface Trunk {
  /** Queues these parts in order, nothing between them, without copying them. After the close it does nothing. */
  write(parts: readonly Uint8Array[]): void;

  /**
   * Sets the one listener for what arrives, in the turn of the event loop in which the trunk was made. A chunk is the
   * listener's to keep: it is not written to again.
   */
  onData(listener: (chunk: Uint8Array) => void): void;

  /** Called once, never from within another call of this trunk; error is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void;

  /** Sends what is queued, then ends; with an error it ends at once. */
  close(error?: Error): void;
}

/**
 * One of the mux's two connections, as ttRPC sees it: what arrives comes in chunks whose borders mean nothing, what is sent
 * goes message by message. There is no close of a channel alone: the mux has no close frame, and the peer would wait for ever.
 */
export interface Channel extends Pick<Trunk, "onData" | "onClose"> {
  /** Queues one whole ttRPC message, and keeps the array: do not write into it afterwards. After the close it does nothing. */
  send(message: Uint8Array): void;
}

/**
 * The one time that a connection ends: told once to everyone who asked, before or after. In a task of its own, so that a close
 * inside `send` does not call back into the sender.
 */
export class CloseEvent {
  fired = false;
  private tell: (error?: Error) => void = () => {};
  private readonly told = new Promise<Error | undefined>((resolve) => {
    this.tell = resolve;
  });

  listen(listener: (error?: Error) => void): void {
    void this.told.then(listener);
  }

  /** Only the first call counts. */
  fire(error?: Error): void {
    this.fired = true;
    this.tell(error);
  }
}
