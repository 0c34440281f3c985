import { copyFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";

/** The native file of the FFI library, which the build puts beside the bundle. */
const nativeFile = resolve(import.meta.dirname, "../../dist/koffi.node");

const imports = `
  import { openNative } from "./host/native.js";
  import { createFfiSpawner } from "./plugin/ffi-spawner.js";
  import { createPortableSpawner } from "./plugin/portable-spawner.js";
  import { ProcessStarter, startAndGive } from "./plugin/start.js";
  import { EarlyStarts } from "./plugin/early-starts.js";
  import { StartAhead } from "./plugin/start-ahead.js";
  import { Deadline } from "./base/deadline.js";
  const options = {};
  const lines = [];
  /** Runs to the end, with nothing besides. */
  const run = (starter, command) => startAndGive(
    starter,
    { argv0: command.path, args: [], env: { PATH: "/usr/bin:/bin" }, cwd: "/", guarded: null, ...command },
    Buffer.from("x"),
    {
      terminateAt: Deadline.after(10_000), killAt: Deadline.after(11_000), limits: { stdoutBytes: 1e6, stderrLines: 9 },
      onStderrLine: (line) => lines.push(line), killChildren: false,
    },
  );
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

/**
 * Bundles a program whose imports are relative to src, as scripts/build.mjs bundles ours, with the native file beside it.
 * For what only a process of its own can show.
 */
export function buildProgram(source: string, directory: string): string {
  const outfile = join(directory, "program.mjs");
  buildSync({
    stdin: { contents: imports + source, resolveDir: resolve(import.meta.dirname, "../../src"), loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
    // CommonJS packages call require.
    banner: { js: 'import{createRequire as r}from"node:module";const require=r(import.meta.url);' },
    logLevel: "silent",
  });
  copyFileSync(nativeFile, join(directory, "koffi.node"));
  return outfile;
}
