import type { BundleQuery, Host } from "../host/host.js";
import { parseBundle } from "../oci/bundle.js";

/** The config.json that is the pod's or container's own, as the bridge would find it; undefined when there is none. */
export function readOwnBundle(host: Pick<Host, "readBundles">, query: BundleQuery): Uint8Array | undefined {
  for (const answer of host.readBundles(query)) {
    if (!answer.found) continue;
    try {
      if (parseBundle(answer.bytes).cgroupsPath === query.cgroupsPath) return answer.bytes;
    } catch {
      // A bundle that is no JSON is one that the bridge does not take either.
    }
  }
  return undefined;
}
