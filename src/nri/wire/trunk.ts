/** The byte stream, a connected unix socket, over which the mux runs all its channels. */
export interface Trunk {
  /** Queues the parts to be sent one directly after the other. Does not copy long parts. Does nothing after the close. */
  write(parts: readonly Uint8Array[]): void;

  /**
   * Sets the only listener for received bytes. Call this in the turn of the event loop in which the trunk was made. The listener
   * may keep a chunk, as the trunk does not write to the chunk's memory again.
   */
  onData(listener: (chunk: Uint8Array) => void): void;

  /** The trunk calls `listener` once, never from within another call of the trunk; `error` is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void;

  /** Closes the trunk when the queued messages have been sent; at once when `error` is given. */
  close(error?: Error): void;
}

/**
 * One of the mux's two connections, as ttRPC uses it. Received bytes come in chunks whose borders mean nothing; `send` takes whole
 * messages. A channel cannot be closed alone: the mux has no close frame, so the peer would wait for ever.
 */
export interface Channel extends Pick<Trunk, "onData" | "onClose"> {
  /** Queues one whole ttRPC message. The channel keeps the array: do not write into it afterwards. Does nothing after the close. */
  send(message: Uint8Array): void;
}

/**
 * The end of a connection. Every listener is called once, whether it was added before or after the end. Listeners run
 * asynchronously, so that a close inside `send` does not call back into the sender.
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

  /** Calls the listeners; a second call has no effect. */
  fire(error?: Error): void {
    this.fired = true;
    this.tell(error);
  }
}
