// Runs a benchmark of test/bench: node scripts/bench.mjs [bridge|spawn] [--rounds 400] [--out docs]
import { spawnSync } from "node:child_process";
import { build } from "esbuild";

const [name = "bridge", ...args] = process.argv.slice(2);
const root = new URL("..", import.meta.url);
const outfile = new URL(`.cache/bench/${name}.mjs`, root).pathname;
await build({
  entryPoints: [new URL(`test/bench/${name}.ts`, root).pathname],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  define: { BRIDGE_VERSION: '"bench"' },
  banner: { js: 'import{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);' },
  logLevel: "warning",
});
process.exit(spawnSync(process.execPath, [outfile, ...args], { cwd: root, stdio: "inherit" }).status ?? 1);
