import type { PluginHandlers } from "../nri/handlers.js";
import { isPluginIndex, isPluginName, launchedSocket, type PluginIdentity } from "../nri/identity.js";
import { PluginStub, type StubEnd } from "../nri/stub.js";
import { createNodeLog, type NodeLog } from "../observe/log.js";

/** A bridge that the runtime launched: registered, and with nothing behind it yet. */
export interface Launched {
  readonly identity: PluginIdentity;
  readonly stub: PluginStub;
  /** Its lines wait until its settings are known. */
  readonly log: NodeLog;
  readonly ended: Promise<StubEnd>;
  /** From now on the runtime's calls are for these; a Configure that has come waits for them. */
  serve(handlers: PluginHandlers): void;
}

/**
 * Registers with the runtime that launched us; undefined when none did.
 * compat: containerd 1.7 ends when a plugin that it launched ends before it is configured, or has not registered after 5 s. So this
 * comes before all that can fail or wait: the command line, files, the log's sockets, libraries.
 * @throws BridgeError USAGE when NRI_PLUGIN_SOCKET is no descriptor
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

/** Our name with the runtime, the only one that it looks at: a name that does not fit is no reason to end. */
function identityOf({ NRI_PLUGIN_NAME: name = "", NRI_PLUGIN_IDX: index = "" }: Record<string, string | undefined>) {
  return { name: isPluginName(name) ? name : "v01-bridge", index: isPluginIndex(index) ? index : "10" };
}
