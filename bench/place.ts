import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compile, installTiny, sources } from "./floor.js";

/** Where the bridges of a benchmark live: a directory of its own, with a copy of the built program. */
export type Place = ReturnType<typeof installProgram>;

/** Copies what was built, since a build meanwhile is not to change what is measured, and makes the tiny plugin. */
export function installProgram() {
  const directory = mkdtempSync(join(tmpdir(), "nri-bench-"));
  for (const file of readdirSync("dist").filter((name) => /\.(mjs|node)$/.test(name))) {
    copyFileSync(resolve("dist", file), join(directory, file));
  }
  const binDir = join(directory, "bin");
  mkdirSync(binDir);
  installTiny(binDir);
  const native = existsSync(join(directory, "koffi.node"));
  return {
    directory,
    program: join(directory, "nri-v01-bridge.mjs"),
    /** Holds the plugins. */
    binDir,
    probe: join(sources, "probe.mjs"),
    driver: compile(join(sources, "driver.c"), join(directory, "driver")),
    /** What is measured, in words. */
    artefact: `dist/nri-v01-bridge.mjs ${native ? "with koffi.node beside it" : "without koffi.node"}`,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
