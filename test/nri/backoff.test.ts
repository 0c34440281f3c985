import { describe, expect, test } from "vitest";
import { Backoff } from "../../src/nri/backoff.js";

function delays(random: number, connectedMs: number[]): number[] {
  const backoff = new Backoff(() => random);
  return connectedMs.map((ms) => backoff.nextDelayMs(ms));
}

describe("the wait before the next connection", () => {
  test("is at least 2 s, doubles, and ends below 60 s", () => {
    const never = [0, 0, 0, 0, 0, 0, 0, 0];
    expect(delays(0, never)).toEqual([2000, 4000, 8000, 16_000, 32_000, 45_000, 45_000, 45_000]);
    expect(delays(1, never)).toEqual([3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000, 60_000]);
  });

  test("goes on growing when connections are lost soon after they were made", () => {
    expect(delays(0, [500, 59_000, 500])).toEqual([2000, 4000, 8000]);
  });

  test("neither grows nor counts while there is no runtime", () => {
    const backoff = new Backoff(() => 0);
    expect([1, 2, 3].map(() => backoff.retryDelayMs())).toEqual([2000, 2000, 2000]);
    expect(backoff.nextDelayMs(500)).toBe(2000);
  });

  test("starts anew after a connection that served events, however short it was", () => {
    const backoff = new Backoff(() => 0);
    expect([false, false, true, true, false].map((served) => backoff.nextDelayMs(500, served))).toEqual([
      2000, 4000, 2000, 2000, 4000,
    ]);
  });

  test("starts anew after a connection that lasted", () => {
    expect(delays(0, [0, 0, 60_000, 0])).toEqual([2000, 4000, 2000, 4000]);
  });
});
