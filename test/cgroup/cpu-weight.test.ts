import { describe, expect, it } from "vitest";

import { findWeightForm, toShares, toWeight } from "../../src/cgroup/real-resources.js";

describe("cpu.weight", () => {
  // The weights that runc 1.3.1 and 1.3.2 give: opencontainers/runc#4896, opencontainers/cgroups utils_test.go.
  it.each([
    [2n, 1n, 1n],
    [1024n, 39n, 100n],
    [2000n, 77n, 170n],
    [262_144n, 10_000n, 10_000n],
    [999_999n, 10_000n, 10_000n],
  ])("of %s shares is %s on a line and %s on the curve", (shares, linear, quadratic) => {
    expect(toWeight(shares, "linear")).toBe(linear);
    expect(toWeight(shares, "quadratic")).toBe(quadratic);
  });

  it("can be turned back into shares that make it", () => {
    for (const form of ["linear", "quadratic"] as const) {
      for (const shares of [2n, 10n, 102n, 512n, 1024n, 4096n, 262_144n]) {
        const weight = toWeight(shares, form);
        expect(toWeight(toShares(weight, form), form)).toBe(weight);
      }
    }
  });

  it("tells by which form it was made", () => {
    expect(findWeightForm(1024n, 39n)).toBe("linear");
    expect(findWeightForm(1024n, 100n)).toBe("quadratic");
    expect(findWeightForm(1024n, 500n)).toBeUndefined();
    expect(findWeightForm(2n, 1n)).toBeUndefined();
  });
});
