import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type CommandLineEnd, runCommandLine } from "../support/command-line.js";

export const samples = resolve(import.meta.dirname, "../../legacy-plugins");

/** A directory for the plugins of a test. */
export class PluginFolder {
  readonly path = mkdtempSync(join(tmpdir(), "conformance-verb-"));

  /** A noop that does what the plan says, under this name. */
  placePlugin(name: string, plan: readonly string[]): string {
    symlinkSync(join(samples, "noop"), join(this.path, name));
    writeFileSync(join(this.path, `${name}.plan`), `${plan.join("\n")}\n`);
    return join(this.path, name);
  }

  placeFile(name: string, text: string, mode = 0o755): string {
    writeFileSync(join(this.path, name), text);
    chmodSync(join(this.path, name), mode);
    return join(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
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
