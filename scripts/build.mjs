// Builds the one file that a node runs: dist/nri-v01-bridge.mjs, which needs nothing beside it but Node. With koffi.node
// beside it, for this machine's architecture and C library, it starts plugins faster.
import { chmodSync, readFileSync } from "node:fs";
import { build } from "esbuild";
import { placeKoffi } from "./koffi-native.mjs";

const root = new URL("..", import.meta.url);
const { version } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
const outfile = new URL("dist/nri-v01-bridge.mjs", root).pathname;

await build({
  entryPoints: [new URL("src/main.ts", root).pathname],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  // Names stay, for stacks; white space goes: reading the file is most of the start.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  define: { BRIDGE_VERSION: JSON.stringify(version) },
  banner: {
    // pino and protobufjs are CommonJS and call require.
    js: '#!/usr/bin/env node\nimport{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);',
  },
  logLevel: "warning",
});
chmodSync(outfile, 0o755);
if (!placeKoffi(new URL("dist/koffi.node", root))) {
  console.error(
    "koffi is not installed for this machine: no dist/koffi.node, the bundle starts plugins in the portable way",
  );
}
