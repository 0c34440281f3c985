import { execFileSync } from "node:child_process";
import { buildSync } from "esbuild";
import { expect, test } from "vitest";

/** Allocates as events do, and prints what the young generation has come to: of a process of its own, which is young itself. */
const program = `
import { getHeapSpaceStatistics } from "node:v8";
import { tuneEngine } from "../src/engine.js";

function megabytesAfterWork() {
  for (let i = 0, kept = []; i < 3_000_000; i++) {
    kept.push({ i, list: [i] });
    if (kept.length > 20_000) kept = [];
  }
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size / 2 ** 20;
}

const watcher = tuneEngine();
watcher.began();
const underEvents = megabytesAfterWork();
watcher.configured();
console.log(JSON.stringify([underEvents, megabytesAfterWork()]));
`;

test("the young generation stays small while events come, and grows from a registration to the first event", () => {
  const stdin = { contents: program, resolveDir: import.meta.dirname, loader: "js" } as const;
  const { outputFiles } = buildSync({ stdin, bundle: true, platform: "node", format: "esm", write: false });
  const printed = execFileSync(process.execPath, ["--input-type=module"], { input: outputFiles[0]?.text ?? "" });
  const [underEvents, later] = JSON.parse(printed.toString());
  expect(underEvents).toBeLessThanOrEqual(4);
  expect(later).toBeGreaterThanOrEqual(8);
});
