import type { PluginHandlers } from "../nri/handlers.js";
import { isPluginIndex, isPluginName, launchedSocket, type PluginIdentity } from "../nri/identity.js";
import { PluginStub, type StubEnd } from "../nri/stub.js";
import { createNodeLog, type NodeLog } from "../observe/log.js";

/** A bridge that the runtime launched: it registers before it has handlers for the runtime's calls. */
export interface Launched {
  readonly identity: PluginIdentity;
  readonly stub: PluginStub;
  /** The log keeps its lines until `use` gives it its settings. */
  readonly log: NodeLog;
  readonly ended: Promise<StubEnd>;
  /** Directs the runtime's calls to these handlers, also a Configure that came earlier and waits. */
  serve(handlers: PluginHandlers): void;
}

/**
 * Registers with the runtime that launched the bridge; returns undefined when no runtime did. compat: containerd 1.7 exits when a
 * plugin that it launched exits before it is configured, or has not registered after 5 s. So the bridge registers before everything
 * that can fail or wait: the command line, files, the log's sockets, libraries.
 * @throws BridgeError USAGE when the variable NRI_PLUGIN_SOCKET is not a descriptor
 */
export async function registerFirst(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Launched | undefined> {
  const fd = launchedSocket(environment);
  if (fd === undefined) return undefined;
  const log = createNodeLog(environment);
  const identity = identityOf(environment);
  let serve = (_: PluginHandlers) => {};
  const served = new Promise<PluginHandlers>((resolve) => {
    serve = resolve;
  });
  const handlers: PluginHandlers = {
    configure: async (request, runtime) => (await served).configure(request, runtime),
  };
  const stub = new PluginStub({ identity, socket: { kind: "fd", fd }, handlers, log, reconnect: false });
  const ended = stub.run();
  await new Promise((nextTurn) => setImmediate(nextTurn));
  return {
    identity,
    stub,
    log,
    ended,
    serve(real) {
      Object.assign(handlers, real);
      serve(real);
    },
  };
}

/**
 * The name and index that the runtime gave the bridge in its environment; the runtime ignores any other. Where one is invalid the
 * bridge uses its default, since it must not exit here.
 */
function identityOf({ NRI_PLUGIN_NAME: name = "", NRI_PLUGIN_IDX: index = "" }: Record<string, string | undefined>) {
  return { name: isPluginName(name) ? name : "v01-bridge", index: isPluginIndex(index) ? index : "10" };
}
