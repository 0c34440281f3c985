import { describe, expect, it } from "vitest";

import { type Budget, planAsyncBudget, planBudget, planPluginBudget } from "../../src/legacy/budget.js";

const settings = { replyMarginMs: 200, killAfterMs: 100 };

function times({ terminateAt, killAt, answerBy }: Budget) {
  return [terminateAt, killAt, answerBy].map((deadline) => Math.round(deadline.remainingMs()));
}

describe("planBudget", () => {
  // call, SIGTERM, SIGKILL, answer; the margin is 200 ms, a tenth of a long call, a quarter of a short one
  it.each([
    [2000, 1700, 1800, 1900],
    [10_000, 8900, 9000, 9500],
    [1000, 700, 800, 900],
    [800, 500, 600, 700],
    [400, 200, 300, 350],
    [200, 75, 150, 175],
    [40, 15, 30, 35],
    [0, 0, 0, 0],
  ])("of a call of %d ms", (callMs, ...expected) => {
    expect(times(planBudget(callMs, settings, () => 5))).toEqual(expected);
  });

  it("of a call without a deadline has none", () => {
    expect(times(planBudget(Infinity, settings))).toEqual([Infinity, Infinity, Infinity]);
  });

  it("passes with the clock", () => {
    let now = 0;
    const budget = planBudget(2000, settings, () => now);
    now = 1750;
    expect(times(budget)).toEqual([0, 50, 150]);
    expect(budget.terminateAt.expired).toBe(true);
  });
});

describe("planPluginBudget", () => {
  it.each([
    [null, 1700, 1800, "call"],
    [500, 500, 600, "timeoutMs"],
    [1700, 1700, 1800, "call"],
    [1650, 1650, 1750, "timeoutMs"],
    [60_000, 1700, 1800, "call"],
  ] as const)("of a plugin with timeoutMs %s", (timeoutMs, terminateMs, killMs, limitedBy) => {
    const budget = planPluginBudget(
      planBudget(2000, settings, () => 0),
      timeoutMs,
    );
    expect(times(budget)).toEqual([terminateMs, killMs, 1900]);
    expect(budget).toMatchObject({ limitMs: terminateMs, limitedBy });
  });

  it("never outlasts the chain's", () => {
    let now = 0;
    const chain = planBudget(2000, settings, () => now);
    now = 1500;
    expect(planPluginBudget(chain, 500)).toMatchObject({ limitMs: 200, limitedBy: "call" });
    expect(times(planPluginBudget(chain, 150))).toEqual([150, 250, 400]);
  });
});

it("an observer has its own time", () => {
  expect(times(planAsyncBudget(10_000, 100, () => 0))).toEqual([10_000, 10_100, 10_100]);
});
