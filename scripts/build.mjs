// Builds the one file that a node runs: dist/nri-v01-bridge.mjs, which needs nothing beside it but Node. With koffi.node
// beside it, for this machine's architecture and C library, it starts plugins faster. dist/THIRD_PARTY_LICENSES.txt says
// whose code is in them.
import { chmodSync, writeFileSync } from "node:fs";
import { bundle } from "./bundle.mjs";
import { placeKoffi } from "./koffi-native.mjs";
import { bundledPackages, formatLicenses } from "./third-party.mjs";

const dist = new URL("../dist/", import.meta.url);
const outfile = new URL("nri-v01-bridge.mjs", dist).pathname;

const metafile = await bundle({
  outfile,
  format: "esm",
  // pino and prom-client are CommonJS and call require.
  banner:
    '#!/usr/bin/env node\nimport{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);',
});
chmodSync(outfile, 0o755);
writeFileSync(new URL("THIRD_PARTY_LICENSES.txt", dist), formatLicenses(bundledPackages(metafile)));
if (!placeKoffi(new URL("koffi.node", dist))) {
  console.error(
    "koffi is not installed for this machine: no dist/koffi.node, the bundle starts plugins in the portable way",
  );
}
