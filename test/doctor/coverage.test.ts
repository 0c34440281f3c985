import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

function textOf(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  return files.map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
}

describe("the tests here", () => {
  it("speak of every finding that there is", () => {
    const source = textOf(resolve(import.meta.dirname, "../../src/doctor/findings"));
    const ids = [...source.matchAll(/\bid: ([^,;\n]+)/g)].flatMap(([, value = ""]) =>
      [...value.matchAll(/"([a-z0-9]+(?:-[a-z0-9]+)+)"/g)].map(([, id = ""]) => id),
    );
    const tests = textOf(import.meta.dirname);
    expect(ids.length).toBeGreaterThan(60);
    // A fault that makes it, in a table of describeFaults; or an expectation of what was found.
    const isMade = (id: string) => new RegExp(`^  "${id}": \\[(\\S|\\n {4}\\S)`, "m").test(tests);
    const isExpected = (id: string) =>
      new RegExp(`(toEqual\\(|toMatchObject\\(|toContain\\(|id === |^ +\\[|^ +\\{ id: |^ {6})[^\\n]*"${id}`, "m").test(
        tests,
      );
    expect(ids.filter((id) => !isMade(id) && !isExpected(id))).toEqual([]);
  });
});
