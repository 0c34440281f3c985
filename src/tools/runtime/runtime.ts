import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { type Deadline, within } from "../../base/deadline.js";
import { BridgeError } from "../../base/errors.js";
import { silentLog } from "../../base/logger.js";
import { hasFeature, inferNriVersion, parseVersion, type Version } from "../../nri/versions.js";
import { checkPath, SocketTrunk } from "../../nri/wire/socket.js";
import type { Trunk } from "../../nri/wire/trunk.js";
import { nriDefaults } from "../doctor/collect/runtime-config.js";
import { connectPlugin, type PluginOrigin, type RuntimeFacts, type RuntimePlugin } from "./runtime-plugin.js";

export interface RuntimeOptions extends Partial<Omit<RuntimeFacts, "nri" | "ownCalls">> {
  readonly socketPath: string;
  /** The runtime's own name: "containerd", "cri-o". */
  readonly name: string;
  readonly version: string;
  /** The NRI version that the runtime is built with; the default follows from its name and version. */
  readonly nriVersion?: string | undefined;
  /**
   * How the runtime sends events: "state-change" as NRI < 0.12 (containerd up to 2.2), "dedicated" as NRI >= 0.12. The default
   * follows from the NRI version.
   */
  readonly dialect?: Dialect;
}

export type Dialect = "state-change" | "dedicated";

/**
 * Starts the runtime side of NRI, for simulations, replays and tests of plugins.
 * @throws BridgeError CONNECT_FAILED when it cannot listen on the socket, USAGE when the NRI version is not known
 */
export async function createRuntime({ socketPath, nriVersion, dialect, ...about }: RuntimeOptions): Promise<Runtime> {
  const nri = nriOf(about.name, about.version, nriVersion);
  const facts = {
    nri,
    ownCalls: dialect === undefined ? hasFeature(nri, "ownCalls") : dialect === "dedicated",
    requestTimeoutMs: nriDefaults.requestTimeoutMs,
    registrationTimeoutMs: 5000,
    snapshot: () => ({ pods: [], containers: [] }),
    synchronizeSize: Number.POSITIVE_INFINITY,
    log: silentLog,
    ...about,
  };
  const runtime = new Runtime(facts);
  await runtime.listen(socketPath);
  return runtime;
}

function nriOf(name: string, version: string, stated: string | undefined): Version {
  const known = stated === undefined ? inferNriVersion(name, version) : parseVersion(stated);
  if (known !== undefined) return known;
  throw new BridgeError("USAGE", `the NRI version of ${name} ${version} is unknown: state one`);
}

export class Runtime {
  /** All open connections, also those of plugins that did not synchronize, which no other list holds. */
  private readonly trunks = new Set<Trunk>();
  /** Connections that `accept` has not taken yet: a runtime takes its plugins one after another. */
  private readonly waiting: Trunk[] = [];
  private readonly arrivals = new EventEmitter();
  private listener: Listener | undefined;
  private closed = false;

  constructor(readonly facts: RuntimeFacts) {}

  async listen(socketPath: string): Promise<void> {
    this.listener = await listenTrunks(socketPath, (trunk) => {
      this.keep(trunk);
      this.waiting.push(trunk);
      this.arrivals.emit("trunk");
    });
  }

  /**
   * Takes the next plugin that connects.
   * @throws BridgeError CALL_TIMEOUT when none connects in time, CONNECTION_CLOSED when the runtime is closed, and what
   * connectPlugin throws
   */
  async accept(deadline: Deadline): Promise<RuntimePlugin> {
    for (;;) {
      const trunk = this.waiting.shift();
      if (trunk !== undefined) return await this.connect(trunk, { kind: "external" });
      if (this.closed) throw new BridgeError("CONNECTION_CLOSED", "the runtime is closed");
      if (deadline.expired) throw new BridgeError("CALL_TIMEOUT", "no plugin connected in time");
      await within(deadline, once(this.arrivals, "trunk"), () => undefined);
    }
  }

  /** Takes a plugin, such as a launched one, at the other end of a trunk. Throws what connectPlugin throws. */
  async connect(trunk: Trunk, origin: PluginOrigin): Promise<RuntimePlugin> {
    this.keep(trunk);
    return await connectPlugin(trunk, origin, this.facts);
  }

  /** Stops as a runtime does: closes the connections without a message to the plugins. */
  async close(): Promise<void> {
    this.closed = true;
    for (const trunk of this.trunks) trunk.close();
    this.arrivals.emit("trunk");
    await this.listener?.close();
  }

  private keep(trunk: Trunk): void {
    this.trunks.add(trunk);
    trunk.onClose(() => this.trunks.delete(trunk));
    if (this.closed) trunk.close();
  }
}

/** A unix socket that accepts connections, as the runtime's does. Closing it does not close the accepted trunks. */
interface Listener {
  close(): Promise<void>;
}

/** Listens on a unix socket. @throws BridgeError CONNECT_FAILED when it cannot listen on the path */
export async function listenTrunks(path: string, onTrunk: (trunk: Trunk) => void): Promise<Listener> {
  checkPath(path);
  const server = createServer((socket) => onTrunk(new SocketTrunk(socket)));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const text = `cannot listen on ${path}: ${cause.message}`;
      reject(new BridgeError("CONNECT_FAILED", text, { path }, { cause }));
    });
    server.listen({ path }, resolve);
  });
  return { close: () => new Promise((resolve) => server.close(() => resolve())) };
}
