import { symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CommandLineEnd, runCommandLine } from "../support/command-line.js";
import { makeFolder } from "../support/places.js";

export const samples = resolve(import.meta.dirname, "../../legacy-plugins");

/** A directory for the plugins of a test. */
export class PluginFolder {
  readonly path = makeFolder();

  /** A noop that does what the plan says, under this name. */
  placePlugin(name: string, plan: readonly string[]): string {
    symlinkSync(join(samples, "noop"), join(this.path, name));
    writeFileSync(join(this.path, `${name}.plan`), `${plan.join("\n")}\n`);
    return join(this.path, name);
  }

  placeFile(name: string, text: string, mode = 0o755): string {
    writeFileSync(join(this.path, name), text, { mode });
    return join(this.path, name);
  }
}

/** Runs the verb as the command line does. */
export function conformance(...args: string[]): Promise<CommandLineEnd> {
  return runCommandLine(["conformance", ...args]);
}

/** The same with --json, read. */
export async function conformanceJson(...args: string[]) {
  const { code, stdout } = await conformance("--json", ...args);
  const { plugin, cases } = JSON.parse(stdout);
  return { code, plugin, cases };
}
