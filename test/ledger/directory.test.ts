import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { prepareDirectory } from "../../src/ledger/directory.js";

it.each([
  ["is shared with others keeps its mode", ["somebody.txt"], 0o755],
  ["is empty is made private", [], 0o700],
  [
    "has only files of ours is made private",
    ["running", "lock.1.2", "containerd-0123456789abcdef.journal", "x.journal.refused", "x.journal.damaged"],
    0o700,
  ],
])("a state directory that %s", (_, names, mode) => {
  const directory = mkdtempSync(join(tmpdir(), "nri-state-directory-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o755);
  for (const name of names) writeFileSync(join(directory, name), "");
  prepareDirectory(directory);
  expect(statSync(directory).mode & 0o777).toBe(mode);
});

it("a state directory that is not there is made, private", () => {
  const parent = mkdtempSync(join(tmpdir(), "nri-state-directory-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  mkdirSync(join(parent, "a"));
  prepareDirectory(join(parent, "a/state"));
  expect(statSync(join(parent, "a/state")).mode & 0o777).toBe(0o700);
});
