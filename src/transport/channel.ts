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
