import { describe, expect, it } from "vitest";

import { formatList, isWithin, parseList, parseSigned, parseSize, parseUnsigned } from "../../src/cgroup/machine.js";

describe("numbers as the kernel reads them", () => {
  it.each([
    ["1024", 1024n],
    ["+7", 7n],
    ["0x10", 16n],
    ["010", 8n],
    ["0", 0n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["18446744073709551616", undefined],
    ["08", undefined],
    ["-1", undefined],
    ["1K", undefined],
    ["", undefined],
    ["1 2", undefined],
  ])("unsigned %j is %s", (text, value) => {
    expect(parseUnsigned(text)).toBe(value);
  });

  it.each([
    ["-1", -1n],
    ["50000", 50_000n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["-9223372036854775809", undefined],
    ["9223372036854775808", undefined],
    ["-+1", undefined],
    ["--1", undefined],
  ])("signed %j is %s", (text, value) => {
    expect(parseSigned(text)).toBe(value);
  });

  it.each([
    ["512M", 512n << 20n],
    ["512m", 512n << 20n],
    ["1k", 1024n],
    ["2G", 2n << 30n],
    ["1T", 1n << 40n],
    ["0x1E", 30n],
    ["0x1P", 1n << 50n],
    ["7E", 7n << 60n],
    ["16E", undefined],
    ["-1", undefined],
    ["1MB", undefined],
    ["1.5G", undefined],
    ["max", undefined],
    ["", undefined],
  ])("size %j is %s", (text, value) => {
    expect(parseSize(text)).toBe(value);
  });
});

describe("lists as the kernel reads them", () => {
  it.each([
    ["0-3,8", "0-3,8"],
    ["3,1,2", "1-3"],
    ["0-2,2-5", "0-5"],
    ["", ""],
    ["0-7:1/2", "0,2,4,6"],
    ["all", "0-15"],
    ["8-N", "8-15"],
    ["N", "15"],
    [" 1 , 2", "1-2"],
    ["3-1", undefined],
    ["a", undefined],
    ["-1", undefined],
    ["0-4000000000", undefined],
    ["0-7:3/2", undefined],
  ])("%j is %j", (text, value) => {
    const list = parseList(text, [[0, 15]]);
    expect(list && formatList(list)).toBe(value);
  });

  it("knows what is within what", () => {
    expect(isWithin([[1, 3]], [[0, 3]])).toBe(true);
    expect(isWithin([[1, 4]], [[0, 3]])).toBe(false);
    expect(isWithin([], [[0, 3]])).toBe(true);
  });
});
