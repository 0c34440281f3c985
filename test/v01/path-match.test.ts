import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePathPattern } from "../../src/v01/annotations.js";
import { anyText } from "../support/any-text.js";

const cases: readonly [pattern: string, text: string, matches: boolean][] = [
  ["abc", "abc", true],
  ["abc", "abcd", false],
  ["*", "abc", true],
  ["*", "", true],
  ["*", "a/b", false],
  ["example.com/*", "example.com/pod-note", true],
  ["example.com/*", "example_com/pod", false],
  ["example.com/pod-*", "example.com/pod-note", true],
  ["a-b", "a-b", true],
  ["*.com/x", "a.b.com/x", true],
  ["a?c", "abc", true],
  ["a?c", "a/c", false],
  ["a?c", "aéc", true],
  ["a?c", "a😀c", true],
  ["[a-c]x", "bx", true],
  ["[a-c]x", "dx", false],
  ["[^a-c]x", "dx", true],
  ["[^a-c]x", "bx", false],
  ["a[^b]c", "a/c", true],
  ["[ab-d]", "c", true],
  ["[\\]]", "]", true],
  ["[\\-x]", "-", true],
  ["[a\\-c]", "b", false],
  ["[c-a]", "b", false],
  ["[^c-a]", "b", true],
  ["[[]", "[", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "axb", false],
  ["a.b+c(d|e)$", "a.b+c(d|e)$", true],
  ["a.b", "axb", false],
  ["a\nb", "a\nb", true],
  ["a*", "a\nb", true],
  ["{a,b}", "{a,b}", true],
  ["", "", true],
  ["", "a", false],
];

/** Patterns that Go calls malformed. */
const malformed = [
  "[",
  "[]",
  "[]a]",
  "[-]",
  "[x-]",
  "[-x]",
  "[a-",
  "[^",
  "[^]",
  "[a",
  "a[",
  "[\\",
  "\\",
  "a\\",
  "[a-b-c]",
];

describe("a pattern of path.Match", () => {
  it.each(cases)("%j and %j: %s", (pattern, text, matches) => {
    expect(compilePathPattern(pattern).test(text)).toBe(matches);
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
