import { onTestFinished } from "vitest";
import { Deadline } from "../../../src/base/deadline.js";
import {
  configureResponse,
  pluginService,
  registerPluginRequest,
  runtimeService,
  synchronizeResponse,
} from "../../../src/nri/codec.js";
import { TtrpcClient } from "../../../src/nri/ttrpc/client.js";
import { type MethodHandler, TtrpcServer } from "../../../src/nri/ttrpc/server.js";
import { Mux } from "../../../src/nri/wire/mux.js";
import { ConnId } from "../../../src/nri/wire/mux-frame.js";
import { connectTrunk } from "../../../src/nri/wire/socket.js";

const nothing = new Uint8Array(0);

/** A plugin that answers what the test says: what it serves not is Unimplemented, as with an old stub. */
export class PuppetPlugin {
  /** The methods that were called, in order. */
  readonly called: string[] = [];
  /** Ends when the runtime hangs up. */
  readonly closed: Promise<void>;
  private readonly client: TtrpcClient;
  private readonly mux: Mux;

  private constructor(mux: Mux, methods: Record<string, MethodHandler>) {
    this.mux = mux;
    const noted = Object.entries(methods).map(([name, handler]): [string, MethodHandler] => [
      name,
      (call) => {
        this.called.push(name);
        return handler(call);
      },
    ]);
    new TtrpcServer(mux.open(ConnId.plugin), { [pluginService]: Object.fromEntries(noted) });
    this.client = new TtrpcClient(mux.open(ConnId.runtime));
    this.closed = new Promise((resolve) => mux.onClose(() => resolve()));
  }

  static async connect(path: string, methods: Record<string, MethodHandler> = {}): Promise<PuppetPlugin> {
    const mux = new Mux(await connectTrunk(path, 1000));
    onTestFinished(() => mux.close());
    return new PuppetPlugin(mux, { ...obedient(0x7ff), ...methods });
  }

  register(pluginName = "puppet", pluginIdx = "50"): Promise<Uint8Array> {
    return this.call("RegisterPlugin", registerPluginRequest.encode({ pluginName, pluginIdx, NRIVersion: "" }));
  }

  call(method: string, payload: Uint8Array): Promise<Uint8Array> {
    return this.client.call(runtimeService, method, payload, { deadline: Deadline.after(2000) });
  }

  close(): void {
    this.mux.close();
  }
}

/** Answers to the handshake that a runtime takes, subscribing to the events of a mask. */
export function obedient(events: number): Record<string, MethodHandler> {
  return {
    Configure: () => configureResponse.encode({ events }),
    Synchronize: () => synchronizeResponse.encode({ update: [], more: false }),
    StateChange: () => nothing,
  };
}
