import { describe, expect, test } from "vitest";
import { Backoff } from "../../src/nri/backoff.js";

describe("the wait before the next connection", () => {
  const never = [0, 0, 0, 0, 0, 0, 0, 0];
  test.each([
    ["is at least 2 s and doubles", 0, never, [2000, 4000, 8000, 16_000, 32_000, 45_000, 45_000, 45_000]],
    ["ends below 60 s", 1, never, [3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000, 60_000]],
    ["goes on growing when connections are lost soon", 0, [500, 59_000, 500], [2000, 4000, 8000]],
    ["starts anew after a connection that lasted", 0, [0, 0, 60_000, 0], [2000, 4000, 2000, 4000]],
  ])("%s", (_, random, connectedMs, expected) => {
    const backoff = new Backoff(() => random);
    expect(connectedMs.map((ms) => backoff.nextDelayMs(ms))).toEqual(expected);
  });

  test("neither grows nor counts while there is no runtime, and starts anew after a connection that served events", () => {
    const backoff = new Backoff(() => 0);
    expect([1, 2, 3].map(() => backoff.retryDelayMs())).toEqual([2000, 2000, 2000]);
    const served = [false, false, true, true, false];
    expect(served.map((was) => backoff.nextDelayMs(500, was))).toEqual([2000, 4000, 2000, 2000, 4000]);
  });
});
