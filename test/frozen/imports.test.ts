import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** The only file of these tests that knows something of src, and what it knows. */
const door = { file: "test/support/command-line.ts", imports: "src/cli/program.ts" } as const;

/** Who imports what of src, of a test file and of all test files that it imports. */
function importsOfSrc(file: string, seen: Set<string>): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const targets = [...readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)];
  return targets.flatMap(([, target = ""]) => {
    const path = resolve(dirname(file), target.replace(/\.js$/, ".ts"));
    if (path.startsWith(join(root, "test/"))) return importsOfSrc(path, seen);
    const line = `${relative(root, file)} imports ${relative(root, path)}`;
    return line.includes(" src/") ? [line] : [];
  });
}

it.each(["test/frozen", "test/e2e", "test/deploy"])("%s knows nothing of src but the command line", (folder) => {
  const tests = readdirSync(join(root, folder)).filter((name) => name.endsWith(".test.ts"));
  expect(tests.length).toBeGreaterThan(2);
  const seen = new Set<string>();
  const found = tests.flatMap((name) => importsOfSrc(join(root, folder, name), seen));
  expect(found.filter((line) => line !== `${door.file} imports ${door.imports}`)).toEqual([]);
});
