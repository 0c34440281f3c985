import { BridgeError } from "../../base/errors.js";
import { FrameDecoder } from "./frame-decoder.js";
import { encodeMuxFrames, muxLayout } from "./mux-frame.js";
import { type Channel, CloseEvent, type Trunk } from "./trunk.js";

/**
 * Runs several channels over one trunk. Opening a channel sends nothing: both ends simply use the channel's id. The mux drops
 * frames for an id without a listener, so open every channel before the next turn of the event loop.
 */
export class Mux {
  private readonly decoder = new FrameDecoder(muxLayout);
  private readonly listeners = new Map<number, (chunk: Uint8Array) => void>();
  private readonly ended = new CloseEvent();

  constructor(private readonly trunk: Trunk) {
    trunk.onClose((error) => this.ended.fire(error));
    trunk.onData((chunk) => this.receive(chunk));
  }

  open(connId: number): Channel {
    return {
      send: (message) => {
        if (!this.closed) this.trunk.write(encodeMuxFrames(connId, message));
      },
      onData: (listener) => void this.listeners.set(connId, listener),
      onClose: (listener) => this.onClose(listener),
    };
  }

  get closed(): boolean {
    return this.ended.fired;
  }

  /** The mux calls `listener` once, never from within another call of the mux; `error` is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  /** Closes the trunk and every channel. Messages that are queued are still sent, unless `error` is given. */
  close(error?: Error): void {
    if (this.closed) return;
    this.ended.fire(error);
    this.trunk.close(error);
  }

  private receive(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      if (this.closed) return;
      const { connId, length } = frame.header;
      if (frame.kind === "oversized") {
        const text = `the peer sent a mux frame of ${length} bytes for connection ${connId}; the limit is ${muxLayout.maxPayloadLength}`;
        this.close(new BridgeError("FRAME_TOO_LARGE", text, { connId, length }));
      } else this.listeners.get(connId)?.(frame.payload);
    }
  }
}
