import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { readWritten } from "../../src/cgroup/diff.js";

const seed = "100000\n\n";
const over = (text: string): string => text + seed.slice(text.length);

describe("what was written", () => {
  it.each([
    ["by echo >", "50000\n", ["50000"]],
    ["by a program that truncates", "-1", ["-1"]],
    ["by echo > of the seed's length", "500000\n", ["500000"]],
    ["by echo >>", `${seed}50000\n`, ["50000"]],
    ["twice, by > and >>", "1\n2\n", ["2"]],
    ["over the seed, with a newline", over("-1\n"), ["-1"]],
    ["over the seed, of its length", over("200001"), ["200001"]],
    ["over the seed, longer than it", over("123456789"), ["123456789"]],
    ["over the seed, shorter than it", over("5000"), ["5", "50", "500", "5000", "50000", "500000"]],
  ])("%s", (_, content, texts) => {
    expect(readWritten(seed, content)).toEqual(texts);
  });

  it.each(["", "\n", " \n\n"])("is nothing in %j", (content) => {
    expect(readWritten(seed, content)).toEqual([]);
  });

  it("is the whole text of a file that was put in the seed's place", () => {
    expect(readWritten(seed, "200000\n\n", true)).toEqual(["200000"]);
  });

  it("is among the answers whatever way it was written", () => {
    const number = fc.bigInt({ min: -1n, max: 2n ** 63n }).map(String);
    const write = fc.constantFrom<(seed: string, text: string) => string>(
      (_, text) => text,
      (_, text) => `${text}\n`,
      (seed, text) => `${seed}${text}\n`,
      (seed, text) => text + seed.slice(text.length),
      (seed, text) => `${text}\n${seed.slice(text.length + 1)}`,
    );
    fc.assert(
      fc.property(number, number, write, (before, text, how) => {
        const written = readWritten(`${before}\n\n`, how(`${before}\n\n`, text));
        expect(written).toContain(text);
      }),
      { numRuns: 2000 },
    );
  });
});
