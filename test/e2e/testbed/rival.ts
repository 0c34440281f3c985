import { silentLog } from "../../../src/logger.js";
import { PluginStub } from "../../../src/nri/stub.js";
import type { ContainerAdjustment } from "../../../src/nri/types.js";
import { waitFor } from "./command.js";
import type { Daemon } from "./daemon.js";

/** A second NRI plugin of a runtime, in the test's process, that wants something of each container. */
export async function startRival(daemon: Daemon, adjust: ContainerAdjustment): Promise<{ end(): Promise<void> }> {
  const stub = new PluginStub({
    identity: { name: "rival", index: "20" },
    // By /run: an absolute link such as /var/run would lead out of the daemon's root.
    socket: { kind: "path", path: daemon.path("/run/nri/nri.sock") },
    handlers: { configure: () => ["CreateContainer"], createContainer: async () => ({ adjust, update: [] }) },
    log: silentLog,
    reconnect: false,
  });
  const ended = stub.run();
  await waitFor("the rival", 10_000, () => (stub.ready ? true : undefined));
  return {
    end: async () => {
      stub.close();
      await ended;
    },
  };
}
