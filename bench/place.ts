import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compile, installTiny, sources } from "./floor.js";

/** A way to run the bridge: a program for Node, or one with Node in it. */
export interface Artefact {
  readonly name: string;
  readonly node: string;
  readonly program?: string;
}

/** Where the bridges of a benchmark live: a directory of its own, with a copy of the built program. */
export type Place = ReturnType<typeof installProgram>;

/** Copies what was built, since a build meanwhile is not to change what is measured, and makes the tiny plugin. */
export function installProgram() {
  const directory = mkdtempSync(join(tmpdir(), "nri-bench-"));
  const portable = join(directory, "portable");
  mkdirSync(portable);
  for (const file of readdirSync("dist").filter((name) => /\.(mjs|node)$|^nri-v01-bridge$/.test(name))) {
    copyFileSync(resolve("dist", file), join(directory, file));
    if (file.endsWith(".mjs")) copyFileSync(resolve("dist", file), join(portable, file));
  }
  const binDir = join(directory, "bin");
  mkdirSync(binDir);
  installTiny(binDir);
  const native = existsSync(join(directory, "koffi.node"));
  const program = join(directory, "nri-v01-bridge.mjs");
  const onNode = (node: string): Artefact => {
    const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
    return { name: `the bundle on Node ${version}`, node, program };
  };
  const executable = join(directory, "nri-v01-bridge");
  return {
    directory,
    /** Ways to run what was built; the first is measured in all else. */
    artefacts: [
      onNode(process.execPath),
      ...(process.env.NRI_BENCH_NODE === undefined ? [] : [onNode(process.env.NRI_BENCH_NODE)]),
      ...(existsSync(executable) ? [{ name: "the single executable", node: executable }] : []),
    ] satisfies Artefact[],
    /** The same without koffi.node. */
    portable: { name: "without koffi.node", node: process.execPath, program: join(portable, "nri-v01-bridge.mjs") },
    /** Holds the plugins. */
    binDir,
    probe: join(sources, "probe.mjs"),
    driver: compile(join(sources, "driver.c"), join(directory, "driver")),
    /** What is measured, in words. */
    artefact: `dist/nri-v01-bridge.mjs ${native ? "with koffi.node beside it" : "without koffi.node"}`,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
