// Runs a benchmark of bench: node scripts/bench.mjs [bridge|profile|e2e] [--rounds 400] [--out docs]
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { findNode, newestLts } from "./nodes.mjs";

const [name = "bridge", ...args] = process.argv.slice(2);
const root = new URL("..", import.meta.url);
/** The testbed finds its files from where its modules are, which is not where the bundle is. */
const modulesStay = {
  name: "modules-stay",
  setup({ onLoad }) {
    onLoad({ filter: /\/test\/e2e\/.*\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      return { contents: text.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)), loader: "ts" };
    });
  },
};
const outfile = new URL(`.cache/bench/${name}.mjs`, root).pathname;
await build({
  entryPoints: [new URL(`bench/${name}.ts`, root).pathname],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  define: { BRIDGE_VERSION: '"bench"' },
  banner: { js: 'import{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);' },
  plugins: [modulesStay],
  logLevel: "warning",
});
// The memory of the bundle is that of its Node.
const isLts = process.version.startsWith(`v${newestLts}.`);
const env = { ...process.env, ...(name === "bridge" && !isLts && { NRI_BENCH_NODE: findNode(newestLts) }) };
process.exit(spawnSync(process.execPath, [outfile, ...args], { cwd: root, env, stdio: "inherit" }).status ?? 1);
