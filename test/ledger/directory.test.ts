import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { prepareDirectory } from "../../src/ledger/directory.js";
import { makeFolder } from "../support/places.js";

it("a state directory below one that others can write is refused, and so is a link of theirs to it", () => {
  const parent = mkdtempSync(join(realpathSync(tmpdir()), "nri-state-directory-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  const state = join(parent, "above/state");
  mkdirSync(state, { recursive: true });
  const link = join(parent, "link");
  symlinkSync(state, link);
  prepareDirectory(link);
  chmodSync(join(parent, "above"), 0o777);
  for (const path of [state, link]) expect(() => prepareDirectory(path)).toThrow(`${join(parent, "above")}: mode 0777`);
});

it("a state directory that is not there is made, private", () => {
  const state = join(makeFolder(), "a/state");
  prepareDirectory(state);
  expect(statSync(state).mode & 0o777).toBe(0o700);
});
