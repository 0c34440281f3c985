import { join, resolve } from "node:path";
import { jsonLines, runCommandLine } from "../support/command-line.js";

export const cases = resolve(import.meta.dirname, "../../fixtures/cases");
export const plugins = resolve(import.meta.dirname, "../../legacy-plugins");
export const basic = join(cases, "basic-hostnet");

/** No file of settings, lest it be that of a bridge which runs on this machine. */
export const noFile = ["--config", "/dev/null"];

/** The verb with --json, read. */
export async function explain(...args: string[]) {
  const { code, stdout, stderr } = await runCommandLine([
    "explain",
    "--json",
    ...(args.includes("--config") ? [] : noFile),
    "--bin-dir",
    plugins,
    "--permissions",
    "trust",
    ...args,
  ]);
  return { code, stderr, events: jsonLines(stdout) };
}
