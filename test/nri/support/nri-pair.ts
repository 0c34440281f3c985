import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Deadline } from "../../../src/base/deadline.js";
import { silentLog } from "../../../src/base/logger.js";
import { type EventName, type EventResponse, eventNames, type NriEvent, noRequest } from "../../../src/nri/events.js";
import type { CallContext, PluginHandlers } from "../../../src/nri/handlers.js";
import { PluginStub, type StubEnd, type StubOptions } from "../../../src/nri/stub.js";
import { createRuntime, type Runtime, type RuntimeOptions } from "../../../src/tools/runtime/runtime.js";
import type { RuntimePlugin } from "../../../src/tools/runtime/runtime-plugin.js";
import { makeFolder } from "../../support/places.js";

/** A path for a socket in a folder of its own, which goes with the test. */
export function socketPath(): string {
  return join(makeFolder(), "nri.sock");
}

/** The runtimes that most tests are about. */
export const containerd17 = { name: "containerd", version: "1.7.24" } as const;
export const containerd20 = { name: "containerd", version: "v2.0.5" } as const;
export const containerd23 = { name: "containerd", version: "v2.3.4" } as const;

export async function startRuntime(path: string, options: Partial<RuntimeOptions> = {}): Promise<Runtime> {
  const runtime = await createRuntime({ socketPath: path, ...containerd23, ...options });
  onTestFinished(() => runtime.close());
  return runtime;
}

export const allEvents: PluginHandlers = { configure: () => eventNames };

export type Listener = (event: NriEvent, call: CallContext) => Promise<Partial<EventResponse> | undefined>;

/** Handlers that take these events; the answer to all others asks for nothing. */
export function on(listeners: Partial<Record<EventName, Listener>>): Pick<PluginHandlers, "handle"> {
  return { handle: async (event, call) => ({ ...noRequest, ...(await listeners[event.name]?.(event, call)) }) };
}

/** A stub that runs; closed at the test's end. */
export function startStub(
  path: string,
  options: Partial<StubOptions> = {},
): { stub: PluginStub; end: Promise<StubEnd> } {
  const stub = new PluginStub({
    identity: { name: "v01-bridge", index: "10" },
    socket: { kind: "path", path },
    handlers: allEvents,
    log: silentLog,
    reconnect: false,
    ...options,
  });
  const end = stub.run();
  onTestFinished(() => stub.close());
  return { stub, end };
}

export interface Pair {
  readonly runtime: Runtime;
  readonly plugin: RuntimePlugin;
  readonly stub: PluginStub;
  readonly end: Promise<StubEnd>;
}

/** A runtime and a stub that are connected over a real unix socket, synchronized and ready. */
export async function connectPair(
  handlers: Partial<PluginHandlers>,
  runtimeOptions: Partial<RuntimeOptions> = {},
  stubOptions: Partial<StubOptions> = {},
): Promise<Pair> {
  const path = socketPath();
  const runtime = await startRuntime(path, runtimeOptions);
  const started = startStub(path, { handlers: { ...allEvents, ...handlers }, ...stubOptions });
  const plugin = await runtime.accept(soon());
  return { runtime, plugin, ...started };
}

/** Time enough for anything that is not waiting. */
export function soon(): Deadline {
  return Deadline.after(5000);
}
