import { describe, expect, it } from "vitest";
import type { RuntimeInfo } from "../../src/nri/handlers.js";
import { healthOf, readinessOf, startHeart } from "../../src/observe/metrics.js";
import { createSeriesLimit, overflowLabel } from "../../src/observe/metrics-registry.js";

const external: RuntimeInfo = {
  name: "containerd",
  version: "v1.7.24",
  nri: { major: 0, minor: 6, patch: 1, preRelease: false, source: "inferred" },
  requestTimeoutMs: 2000,
  socketPath: "/var/run/nri/nri.sock",
};
const { socketPath: _, ...launched } = external;

function session(registered: boolean, synchronized: boolean) {
  return { registered: () => registered, synchronized: () => synchronized };
}

describe("readiness", () => {
  it.each([
    ["not connected", session(false, false), undefined, false],
    ["the connection is lost", session(false, false), { runtime: external, hadEvent: true }, false],
    ["registered, not yet synchronized", session(true, false), { runtime: external, hadEvent: false }, false],
    ["synchronized", session(true, true), { runtime: external, hadEvent: false }, true],
    ["not synchronized, but events come", session(true, false), { runtime: external, hadEvent: true }, true],
    ["launched: containerd 1.7 never synchronizes", session(true, false), { runtime: launched, hadEvent: false }, true],
  ])("%s", (_case, sources, connection, ready) => {
    expect(readinessOf(sources, connection).ok).toBe(ready);
  });
});

describe("what readiness says", () => {
  it.each([
    [
      session(true, true),
      { runtime: external, hadEvent: false },
      "ready; synchronized with containerd v1.7.24; a, b; c",
    ],
    [
      session(true, false),
      { runtime: external, hadEvent: false },
      "registered, not yet synchronized with the runtime; a, b; c",
    ],
    [session(false, false), undefined, "not registered with the runtime; a, b; c"],
  ])("has what keeps the plugins from running", (sources, connection, text) => {
    expect(readinessOf({ ...sources, notices: () => ["a, b", "c"] }, connection).text).toBe(text);
  });
});

describe("health", () => {
  it("is told by how late the event loop's timer is, for ten seconds", () => {
    let now = 0;
    const heart = startHeart(() => now);
    expect(heart.lagMs()).toBe(0);
    now = 6_500;
    expect(heart.lagMs()).toBe(6_000);
    expect(healthOf(heart.lagMs())).toMatchObject({ ok: false, text: expect.stringContaining("6000 ms") });
    heart.stop();
  });

  it("forgives a short delay", () => {
    expect(healthOf(1_999)).toMatchObject({ ok: true });
  });
});

describe("labels", () => {
  it("have so many combinations of values of their own, and one for all others", () => {
    const limit = createSeriesLimit(2);
    const other = { plugin: overflowLabel, state: overflowLabel };
    const [first, second] = [
      { plugin: "a", state: "create" },
      { plugin: "a", state: "delete" },
    ];
    const third = { plugin: "b", state: "create" };
    expect([first, second, third, first].map(limit)).toEqual([first, second, other, first]);
  });

  it("are cut to a length that a scraper takes", () => {
    expect(createSeriesLimit(1)({ plugin: "x".repeat(10_000) })).toEqual({ plugin: "x".repeat(100) });
  });
});
