import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventMask, eventNames, eventsOfMask } from "../../src/nri/events.js";

const version = (minor: number, patch = 0) => ({ major: 0, minor, patch, preRelease: false });

describe("an event mask", () => {
  test("has bit number - 1 of each event: the four of the v0.1 contract are 0x223, with the two removals 0x627", () => {
    const four = ["RunPodSandbox", "StopPodSandbox", "StartContainer", "StopContainer"] as const;
    expect(eventMask(four, version(6))).toBe(0x223);
    expect(eventMask([...four, "RemovePodSandbox", "RemoveContainer"], version(6))).toBe(0x627);
    expect(eventsOfMask(0x627)).toEqual([
      "RunPodSandbox",
      "StopPodSandbox",
      "RemovePodSandbox",
      ...["StartContainer", "StopContainer", "RemoveContainer"],
    ]);
  });

  test("leaves out what the runtime does not know: the pod updates before NRI 0.10", () => {
    expect(eventMask(eventNames, version(9))).toBe(0x7ff);
    expect(eventMask(eventNames, version(10))).toBe(0x1fff);
  });

  test("is never 0, which would subscribe to everything", () => {
    expect(eventMask([], version(12))).toBe(0x4);
    expect(eventMask(["UpdatePodSandbox"], version(8))).toBe(0x4);
  });

  test("holds for any wish and any version: never empty, never a bit that is unknown there, never the validator's", () => {
    const wishes = fc.subarray([...eventNames]);
    fc.assert(
      fc.property(wishes, fc.integer({ min: 2, max: 20 }), (wanted, minor) => {
        const mask = eventMask(wanted, version(minor));
        expect(mask).toBeGreaterThan(0);
        expect(mask & ~(minor >= 10 ? 0x1fff : 0x7ff)).toBe(0);
        for (const name of eventsOfMask(mask)) expect(mask === 4 || wanted.includes(name)).toBe(true);
      }),
    );
  });
});
