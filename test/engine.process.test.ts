import { spawnSync } from "node:child_process";
import { buildSync } from "esbuild";
import { expect, test } from "vitest";
import { tuneEngine } from "../src/observe/engine.js";

/** Allocates as events do, and prints what the young generation has come to: of a process of its own, which is young itself. */
const program = `
import { getHeapSpaceStatistics } from "node:v8";
import { tuneEngine } from "../src/observe/engine.js";

function megabytesAfterWork() {
  for (let i = 0, kept = []; i < 600_000; i++) {
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
  const input = outputFiles[0]?.text ?? "";
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module"], { input, encoding: "utf8" });
  const [underEvents, later] = JSON.parse(stdout);
  expect(underEvents).toBeLessThanOrEqual(4);
  expect(later).toBeGreaterThanOrEqual(8);
  // V8 itself prints there what it does not know.
  expect(stderr).toBe("");
});

test.each(["10.2.154", "15.0.1"])("no flag of V8 %s is set, which was not measured", (v8) => {
  const set: string[] = [];
  const watcher = tuneEngine(v8, (flag) => set.push(flag));
  watcher.began?.();
  watcher.configured?.();
  expect(set).toEqual([]);
});

test("V8 of Node 20 is told to keep both generations small, but while a Synchronize is read", () => {
  const set: string[] = [];
  const watcher = tuneEngine("11.3.244.8", (flag) => set.push(flag));
  watcher.configured?.();
  expect(set).toEqual(["--interrupt-budget=2000"]);
  const small = ["--semi-space-growth-factor=1", "--heap-growing-percent=50"];
  watcher.began?.();
  watcher.configured?.();
  watcher.began?.();
  expect(set.slice(1)).toEqual([...small, "--semi-space-growth-factor=2", "--heap-growing-percent=0", ...small]);
});
