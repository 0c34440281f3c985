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
