import { describe, expect, it } from "vitest";

import { LineSplitter } from "../../src/plugin/run.js";

function split(text: string | Uint8Array, chunkBytes: number, maxLines = 100): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxLines, (line) => lines.push(line));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) splitter.push(bytes.subarray(at, at + chunkBytes));
  splitter.flush();
  return lines;
}

describe("LineSplitter", () => {
  it.each([
    ["", []],
    ["one", ["one"]],
    ["one\n", ["one"]],
    ["one\ntwo", ["one", "two"]],
    ["one\r\ntwo\r\n", ["one", "two"]],
    ["\n\nx\n", ["", "", "x"]],
    ["größer\n→\n", ["größer", "→"]],
  ])("splits %j, however it comes", (text, expected) => {
    for (let size = 1; size <= 8; size++) expect(split(text, size)).toEqual(expected);
  });

  it("replaces invalid UTF-8", () => {
    expect(split(Uint8Array.of(0x61, 0xff, 0x62, 0x0a, 0xc3), 1)).toEqual(["a\ufffdb", "\ufffd"]);
  });

  it.each([1, 100, 8192, 100_000])("cuts a long line, in chunks of %d", (size) => {
    expect(split(`${"x".repeat(10_000)}\nnext\n`, size)).toEqual([`${"x".repeat(8192)}… (1808 bytes cut)`, "next"]);
  });

  it("says once that lines are suppressed", () => {
    const lines = split("a\nb\nc\nd\ne\n", 3, 2);
    expect(lines).toEqual(["a", "b", expect.stringMatching(/suppressed.*stderrLinesPerRun: 2/)]);
    expect(split("a\nb\n", 3, 2)).toEqual(["a", "b"]);
    expect(split("a\n", 3, 0)).toEqual([expect.stringContaining("suppressed")]);
  });
});
