import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePathPattern } from "../../src/v01/annotations.js";
import { anyText } from "../support/any-text.js";

const cases: readonly [pattern: string, matches: readonly string[], others: readonly string[]][] = [
  ["", [""], ["a"]],
  ["abc", ["abc"], ["abcd"]],
  ["*", ["abc", ""], ["a/b"]],
  ["a*", ["a\nb"], []],
  ["example.com/*", ["example.com/pod-note"], ["example_com/pod"]],
  ["example.com/pod-*", ["example.com/pod-note"], []],
  ["*.com/x", ["a.b.com/x"], []],
  ["a-b", ["a-b"], []],
  ["a?c", ["abc", "aéc", "a😀c"], ["a/c"]],
  ["[a-c]x", ["bx"], ["dx"]],
  ["[^a-c]x", ["dx"], ["bx"]],
  ["a[^b]c", ["a/c"], []],
  ["[ab-d]", ["c"], []],
  ["[\\]]", ["]"], []],
  ["[\\-x]", ["-"], []],
  ["[a\\-c]", [], ["b"]],
  ["[c-a]", [], ["b"]],
  ["[^c-a]", ["b"], []],
  ["[[]", ["["], []],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a.b+c(d|e)$", ["a.b+c(d|e)$"], []],
  ["a.b", ["a.b"], ["axb"]],
  ["a\nb", ["a\nb"], []],
  ["{a,b}", ["{a,b}"], ["a"]],
];

/** Patterns that Go calls malformed. */
const malformed = [
  ...["[", "[]", "[]a]", "[-]", "[x-]", "[-x]", "[a-", "[^", "[^]", "[a", "a[", "[\\", "\\", "a\\", "[a-b-c]"],
];

describe("a pattern of path.Match", () => {
  it.each(cases)("%j matches %j, not %j", (pattern, matches, others) => {
    const test = (text: string) => compilePathPattern(pattern).test(text);
    expect(matches.filter((text) => !test(text))).toEqual([]);
    expect(others.filter(test)).toEqual([]);
  });

  it.each(malformed)("%j is malformed and matches nothing", (pattern) => {
    for (const text of ["", "a", "]", "-", "[", pattern]) expect(compilePathPattern(pattern).test(text)).toBe(false);
  });

  it("never throws", () => {
    const pattern = fc
      .array(fc.constantFrom(..."[]^-\\*?a/.(){}|$+é😀"), { maxLength: 12 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, fc.string(), (source, text) => typeof compilePathPattern(source).test(text) === "boolean"),
    );
  });

  it("matches itself when it has nothing special", () => {
    const plain = anyText().filter((text) => !/[[\\*?]/.test(text));
    fc.assert(fc.property(plain, (text) => compilePathPattern(text).test(text)));
  });
});
