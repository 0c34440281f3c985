import { describe, expect, it } from "vitest";
import { encodeMuxFrames, splitForGo } from "../../src/nri/wire/mux-frame.js";
import { concat, pattern } from "../support/bytes.js";

const MiB = 1024 * 1024;

describe("splitForGo", () => {
  const table = [
    { length: 0, payloads: [] },
    { length: 1, payloads: [1] },
    { length: 10, payloads: [10] },
    { length: 4095, payloads: [4095] },
    { length: 4096, payloads: [4096] },
    { length: 4097, payloads: [4096, 1] },
    { length: MiB, payloads: [4096, MiB - 4096] },
    { length: 4 * MiB + 10, payloads: [4096, 4 * MiB + 10 - 4096] },
    { length: 8 * MiB, payloads: [4096, 4 * MiB + 10, 4 * MiB - 4096 - 10] },
  ];

  it.each(table)("cuts a message of $length bytes into $payloads", ({ length, payloads }) => {
    const message = pattern(length);
    const parts = splitForGo(message);
    expect(parts.map((part) => part.length)).toEqual(payloads);
    expect(Buffer.compare(concat(parts), message)).toBe(0);
  });
});

describe("a mux frame", () => {
  it("is never written for an empty message", () => {
    expect(encodeMuxFrames(1, new Uint8Array(0))).toEqual([]);
  });
});
