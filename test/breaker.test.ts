import { describe, expect, it } from "vitest";
import { Breakers } from "../src/bridge/breaker.js";

const settings = { failures: 3, pauseMs: 30_000 };

function breakersAt() {
  const time = { now: 0 };
  return { time, breakers: new Breakers(() => time.now) };
}

describe("a plugin's breaker", () => {
  it("opens after so many failures in a row, says so, and is tried again after the pause", () => {
    const { time, breakers } = breakersAt();
    for (const changed of [false, false, true]) {
      expect(breakers.refusal("p", settings)).toBeNull();
      expect(breakers.record("p", true, settings)).toBe(changed);
    }
    expect(breakers.refusal("p", settings)).toBe(
      "not run: the plugin failed 3 times in a row, and the bridge runs it again after 30 s (breaker)",
    );
    expect(breakers.refusal("other", settings)).toBeNull();
    time.now += 30_000;
    expect(breakers.refusal("p", settings)).toBeNull();
    expect(breakers.stateOf("p")).toBe("half-open");
  });

  it.each([
    ["closes when that run goes well", false, "closed"],
    ["stays open for another pause when it fails", true, "open"],
  ] as const)("%s", (_, failed, state) => {
    const { time, breakers } = breakersAt();
    for (let run = 0; run < 3; run++) breakers.record("p", true, settings);
    time.now += 30_000;
    breakers.refusal("p", settings);
    breakers.record("p", failed, settings);
    expect(breakers.stateOf("p")).toBe(state);
    expect(breakers.refusal("p", settings) === null).toBe(!failed);
  });

  it("counts failures in a row only", () => {
    const { breakers } = breakersAt();
    for (const failed of [true, true, false, true, true]) breakers.record("p", failed, settings);
    expect(breakers.refusal("p", settings)).toBeNull();
  });

  it("is not there without settings", () => {
    const { breakers } = breakersAt();
    for (let run = 0; run < 100; run++) breakers.record("p", true, null);
    expect(breakers.refusal("p", null)).toBeNull();
  });
});
