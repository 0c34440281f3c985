import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JournalFile } from "../../src/state/journal-file.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nri-journal-file-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a file that is written to without a pause is written anew all the same, with every line", async () => {
  const file = new JournalFile(join(folder, "journal"));
  await file.rewrite(["header\n"]);
  let over = false;
  const rewritten = file.rewrite(["header\n", "what is left\n"]).finally(() => {
    over = true;
  });
  const appended: string[] = [];
  const giveUpAt = performance.now() + 10_000;
  while (!over && performance.now() < giveUpAt) {
    const line = `line ${appended.length}\n`;
    file.append(line);
    appended.push(line);
    await new Promise((nextTurn) => setImmediate(nextTurn));
  }
  expect(over, "it was never written anew").toBe(true);
  await rewritten;
  await file.close();
  expect(appended.length).toBeGreaterThan(0);
  const text = readFileSync(join(folder, "journal"), "utf8");
  expect(text).toBe(["header\n", "what is left\n", ...appended].join(""));
  expect(file.size).toBe(Buffer.byteLength(text));
});
