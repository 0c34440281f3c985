import { chmodSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { Gate } from "../support/gate.js";

const noop = resolve(import.meta.dirname, "../../legacy-plugins/noop");

/** A directory for plugins that nobody else can write, removed after the test. */
export function createDirectory(): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "nri-legacy-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Something for the processes of a test to wait at. */
export function createGate(): Gate {
  const gate = new Gate(createDirectory(), "gate");
  onTestFinished(() => gate.open());
  return gate;
}

/** Installs the programmable plugin under a name, with what it is to do. */
export function installNoop(directory: string, name: string, plan: readonly string[]): string {
  const path = join(directory, name);
  symlinkSync(noop, path);
  writeFileSync(`${path}.plan`, plan.join("\n"));
  return path;
}

export function installFile(directory: string, name: string, text: string | Uint8Array, mode = 0o755): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
