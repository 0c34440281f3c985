import { BridgeError } from "../base/errors.js";
import { Ledger } from "../ledger/ledger.js";
import { noRequest } from "../nri/events.js";
import type { PluginHandlers } from "../nri/handlers.js";
import { mayFail } from "../nri/versions.js";
import { podTarget } from "../v01/to-v01.js";
import type { Spec } from "../v01/types.js";
import { usualEvents } from "./bridge.js";
import { aboutOf } from "./records.js";

/**
 * Serves a runtime while the bridge's configuration is wrong: it fails each create and keeps the connection. Where the runtime must
 * not get an error for a sandbox (mayFail), the ledger holds the sandbox until the configuration is valid again.
 */
export function createRefusingBridge(reason: string, ledger = new Ledger()): PluginHandlers {
  const spec: Spec = { resources: null, namespaces: {}, cgroupsPath: "", annotations: {} };
  return {
    // This includes the teardown events: once the file is valid, what the bridge creates then gets its delete.
    configure: () => usualEvents,
    async handle({ name, pod }, { runtime }) {
      if (name !== "RunPodSandbox" && name !== "StartContainer") return noRequest;
      if (!mayFail(name, runtime)) {
        ledger.record({ ...aboutOf(podTarget(pod), () => spec), served: true });
        ledger.setRefused(pod.id, true);
        // No plugin has seen the create of this sandbox, so none gets its delete.
        ledger.skipDelete(pod.id);
      }
      throw new BridgeError("CONFIG", `nri-v01-bridge: the bridge cannot run plugins: ${reason}`);
    },
  };
}
