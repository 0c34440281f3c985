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

/** Connects a plugin that answers what the test says: what it serves not is Unimplemented, as with an old stub. */
export async function connectPuppetPlugin(path: string, methods: Record<string, MethodHandler> = {}) {
  const mux = new Mux(await connectTrunk(path, 1000));
  onTestFinished(() => mux.close());
  /** The methods that were called, in order. */
  const called: string[] = [];
  const noted = Object.entries({ ...obedient(0x7ff), ...methods }).map(([name, handler]): [string, MethodHandler] => [
    name,
    (call) => {
      called.push(name);
      return handler(call);
    },
  ]);
  new TtrpcServer(mux.open(ConnId.plugin), { [pluginService]: Object.fromEntries(noted) });
  const client = new TtrpcClient(mux.open(ConnId.runtime));
  const call = (method: string, payload: Uint8Array) =>
    client.call(runtimeService, method, payload, { deadline: Deadline.after(2000) });
  return {
    called,
    call,
    register: () =>
      call("RegisterPlugin", registerPluginRequest.encode({ pluginName: "puppet", pluginIdx: "50", NRIVersion: "" })),
    close: () => mux.close(),
    /** Ends when the runtime hangs up. */
    closed: new Promise<void>((resolve) => mux.onClose(() => resolve())),
  };
}

/** Answers to the handshake that a runtime takes, subscribing to the events of a mask. */
export function obedient(events: number): Record<string, MethodHandler> {
  return {
    Configure: () => configureResponse.encode({ events }),
    Synchronize: () => synchronizeResponse.encode({ update: [], more: false }),
    StateChange: () => new Uint8Array(0),
  };
}
