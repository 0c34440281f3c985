// Draws docs/metrics.svg from a run of the built program of some 40 s: npm run build && node scripts/draw-metrics.mjs [--out FILE]
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = new URL("..", import.meta.url);
const outfile = fileURLToPath(new URL(".cache/draw/metrics.mjs", root));
await build({
  entryPoints: [fileURLToPath(new URL("scripts/draw-metrics/main.ts", root))],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  define: { BRIDGE_VERSION: '"draw"' },
  banner: { js: 'import{createRequire as nodeRequire}from"node:module";const require=nodeRequire(import.meta.url);' },
  logLevel: "warning",
});
const args = process.argv.slice(2);
process.exit(spawnSync(process.execPath, [outfile, ...args], { cwd: root, stdio: "inherit" }).status ?? 1);
