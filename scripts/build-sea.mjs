// Builds dist/nri-v01-bridge, the bridge and Node in one executable file, for nodes without Node (SEA, Node's "single
// executable applications").
//
//   node scripts/build-sea.mjs [--node FILE] [--out FILE]
//
// --node: the Node to put in, of this machine's architecture. The newest one with long-term support when not given: the one that
// runs this, or that of nodes.mjs.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inject } from "postject";
import { bundle } from "./bundle.mjs";
import { placeKoffi } from "./koffi-native.mjs";
import { findNode, newestLts } from "./nodes.mjs";
import { bundledPackages, formatLicenses } from "./third-party.mjs";

const dist = new URL("../dist/", import.meta.url);
const path = (name) => new URL(name, dist).pathname;
const { values } = parseArgs({ options: { node: { type: "string" }, out: { type: "string" } } });
const isNewest = process.versions.node.startsWith(`${newestLts}.`);
const node = values.node ?? (isNewest ? process.execPath : findNode(newestLts));
const out = values.out ?? path("nri-v01-bridge");

/** Where Node looks for what was put in; the same for every program (Node's documentation). */
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

mkdirSync(path("sea/"), { recursive: true });
// The script of a single executable is CommonJS, and has no URL of its own: the executable's stands in.
const metafile = await bundle({
  outfile: path("sea/main.cjs"),
  format: "cjs",
  banner: 'const seaUrl=require("node:url").pathToFileURL(process.execPath).href;',
  define: { "import.meta.url": "seaUrl" },
});
const hasKoffi = placeKoffi(new URL("koffi.node", dist));
const settings = {
  main: path("sea/main.cjs"),
  output: path("sea/blob"),
  disableExperimentalSEAWarning: true,
  // Only for the Node that made it: another version compiles the script itself.
  useCodeCache: true,
  assets: hasKoffi ? { "koffi.node": path("koffi.node") } : {},
};
writeFileSync(path("sea/config.json"), JSON.stringify(settings));
execFileSync(node, ["--experimental-sea-config", path("sea/config.json")], { stdio: "pipe" });

// Beside its place, so that a bridge that runs from there keeps its file.
const next = `${out}.${process.pid}`;
copyFileSync(node, next);
chmodSync(next, 0o755);
// Symbols for debuggers are a sixth of some builds of Node. What native libraries link against stays.
if (existsSync("/usr/bin/strip")) execFileSync("strip", ["--strip-all", next]);
await quietly(() => inject(next, "NODE_SEA_BLOB", readFileSync(path("sea/blob")), { sentinelFuse }));
renameSync(next, out);
writeFileSync(path("THIRD_PARTY_LICENSES.txt"), formatLicenses(bundledPackages(metafile)));
// Node's own licence, and those of what is in it, as it was delivered with it.
const nodeLicense = [join(node, "../../LICENSE"), "/usr/share/doc/nodejs/LICENSE"].find((file) => existsSync(file));
if (nodeLicense !== undefined) copyFileSync(nodeLicense, path("NODE_LICENSE.txt"));
else console.log("Node's LICENSE was not found: hand it on with the executable");
const nodeVersion = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
console.log(`${out}: ${Math.round(statSync(out).size / 2 ** 20)} MiB, with Node ${nodeVersion}`);
if (!hasKoffi)
  console.log("koffi is not installed for this machine: it starts plugins through Node and not through libc");

/** postject's ELF library warns of sections that Node's build has and it does not know. */
async function quietly(work) {
  const { warn, error } = console;
  Object.assign(console, { warn: () => {}, error: () => {} });
  try {
    await work();
  } finally {
    Object.assign(console, { warn, error });
  }
}
