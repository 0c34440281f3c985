import { BridgeError, errorText } from "../../base/errors.js";
import { FrameDecoder } from "./frame-decoder.js";
import { ConnId, encodeMuxFrames, muxLayout } from "./mux-frame.js";
import type { Channel, Trunk } from "./trunk.js";
import { CloseEvent } from "./trunk.js";

/** What is kept for a channel that nobody listens to yet: as many frames as Go's mux keeps, and no more bytes than this. */
const MAX_KEPT_FRAMES = 256;
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/**
 * Runs several channels over one trunk. Opening one exchanges nothing: both ends simply use its id. Frames for an id
 * that is not open are dropped, so open every channel before the next turn of the event loop.
 */
export class Mux {
  private readonly decoder = new FrameDecoder(muxLayout);
  private readonly channels = new Map<number, MuxChannel>();
  private readonly ended = new CloseEvent();

  constructor(private readonly trunk: Trunk) {
    trunk.onClose((error) => this.end(error));
    trunk.onData((chunk) => this.receive(chunk));
  }

  /**
   * The channel with this id; the same one each time.
   * @throws BridgeError INTERNAL for the reserved id 0
   */
  open(connId: number): Channel {
    if (connId === ConnId.reserved) throw new BridgeError("INTERNAL", `the mux connection ${connId} is reserved`);
    const channel = this.channels.get(connId) ?? new MuxChannel(this, connId);
    this.channels.set(connId, channel);
    return channel;
  }

  get closed(): boolean {
    return this.ended.fired;
  }

  /** Called once, never from within another call of the mux; error is absent for an orderly end. */
  onClose(listener: (error?: Error) => void): void {
    this.ended.listen(listener);
  }

  /** Ends the trunk and every channel; what is queued is still sent unless an error is given. */
  close(error?: Error): void {
    if (this.closed) return;
    this.ended.fire(error);
    this.trunk.close(error);
  }

  send(connId: number, message: Uint8Array): void {
    if (!this.closed) this.trunk.write(encodeMuxFrames(connId, message));
  }

  private receive(chunk: Uint8Array): void {
    for (const frame of this.decoder.push(chunk)) {
      const { connId, length } = frame.header;
      if (frame.kind === "oversized") {
        const text = `a mux frame of ${length} bytes for connection ${connId}; at most ${muxLayout.maxPayloadLength} are taken`;
        this.close(new BridgeError("FRAME_TOO_LARGE", text, { connId, length }));
      } else if (length > 0) {
        this.channels.get(connId)?.deliver(frame.payload);
      }
    }
  }

  private end(error: Error | undefined): void {
    const cut = error === undefined && this.decoder.partial;
    this.ended.fire(cut ? new BridgeError("CONNECTION_CLOSED", "the connection ended inside a mux frame") : error);
  }
}

class MuxChannel implements Channel {
  private listener: ((chunk: Uint8Array) => void) | undefined;
  private kept: Uint8Array[] = [];
  private keptBytes = 0;

  constructor(
    private readonly mux: Mux,
    private readonly connId: number,
  ) {}

  send(message: Uint8Array): void {
    this.mux.send(this.connId, message);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    if (this.listener !== undefined) {
      throw new BridgeError("INTERNAL", `the mux connection ${this.connId} has a listener already`);
    }
    this.listener = listener;
    for (const chunk of this.kept.splice(0)) this.deliver(chunk);
  }

  onClose(listener: (error?: Error) => void): void {
    this.mux.onClose(listener);
  }

  close(error?: Error): void {
    this.mux.close(error);
  }

  deliver(chunk: Uint8Array): void {
    if (this.mux.closed) return;
    if (this.listener === undefined) {
      this.keep(chunk);
      return;
    }
    try {
      this.listener(chunk);
    } catch (error) {
      const text = `the listener of mux connection ${this.connId} failed: ${errorText(error)}`;
      this.mux.close(new BridgeError("INTERNAL", text, {}, { cause: error }));
    }
  }

  private keep(chunk: Uint8Array): void {
    this.keptBytes += chunk.length;
    if (this.keptBytes > MAX_KEPT_BYTES || this.kept.length === MAX_KEPT_FRAMES) {
      const text = `${this.keptBytes} bytes came for mux connection ${this.connId}, to which nobody listens`;
      this.mux.close(new BridgeError("PROTOCOL", text, { connId: this.connId }));
      return;
    }
    this.kept.push(chunk);
  }
}
