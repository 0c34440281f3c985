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
      [...value.matchAll(/"([a-z0-9]+(?:-[a-z0-9]+)+)"/g)].map(([, id]) => id),
    );
    const tests = textOf(import.meta.dirname);
    expect(ids.length).toBeGreaterThan(60);
    expect(ids.filter((id) => !tests.includes(`"${id}"`))).toEqual([]);
  });
});
