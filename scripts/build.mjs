// Builds what a node runs: dist/nri-v01-bridge.mjs, which is `run` and needs nothing but Node; tools.mjs beside it, with all
// verbs; metrics.mjs, for `metrics.listen`; execa.mjs, with which plugins are started where koffi.node is not beside it, for this machine's architecture and C
// library. dist/THIRD_PARTY_LICENSES.txt says whose code is in them.
import { chmodSync, writeFileSync } from "node:fs";
import { bundle } from "./bundle.mjs";
import { placeKoffi } from "./koffi-native.mjs";
import { bundledPackages, formatLicenses } from "./third-party.mjs";

const dist = new URL("../dist/", import.meta.url);
const files = {
  "nri-v01-bridge.mjs": "src/main.ts",
  "tools.mjs": "src/cli/program.ts",
  "metrics.mjs": "src/observe/metrics-server.ts",
  "execa.mjs": "node_modules/execa/index.js",
};
const inputs = {};
for (const [file, entry] of Object.entries(files)) {
  const outfile = new URL(file, dist).pathname;
  const metafile = await bundle({
    entry,
    outfile,
    format: "esm",
    apart: { "./cli/program.js": "./tools.mjs", "./metrics-server.js": "./metrics.mjs", execa: "./execa.mjs" },
    // pino and prom-client are CommonJS and call require.
    banner:
      '#!/usr/bin/env node\nimport{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);',
  });
  Object.assign(inputs, metafile.inputs);
}
chmodSync(new URL("nri-v01-bridge.mjs", dist), 0o755);
writeFileSync(new URL("THIRD_PARTY_LICENSES.txt", dist), formatLicenses(bundledPackages({ inputs })));
if (!placeKoffi(new URL("koffi.node", dist))) {
  console.error(
    "koffi is not installed for this machine: no dist/koffi.node, the bundle starts plugins through Node and not through libc",
  );
}
