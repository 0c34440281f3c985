import type { BundleAnswer, Host } from "./host.js";

/** A recording: its bundles are all there is to ask about, and no pid of it is looked up on this machine. */
export function createRecordedHost(bundles: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Host {
  const answers: readonly BundleAnswer[] =
    bundles.length > 0
      ? bundles.map((bundle) => ({ found: true, ...bundle }))
      : [{ found: false, reason: "the recording holds no bundle" }];
  return { kind: "recorded", readBundles: () => answers };
}
