import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { container, podSandbox } from "../../src/nri/codec.js";
import {
  decodeEvent,
  type EventName,
  encodeEvent,
  eventMask,
  eventNames,
  eventsOfMask,
  peekEvent,
} from "../../src/nri/events.js";

test("what an event's first bytes say is the event that is read", () => {
  const subject = { pod: podSandbox.decode(new Uint8Array()), container: container.decode(new Uint8Array()) };
  for (const name of eventNames) {
    for (const call of ["own", "StateChange"] as const) {
      const { method, payload } = encodeEvent(name, subject, call);
      expect(peekEvent(method, payload)).toBe(name);
      expect(decodeEvent(method, payload)?.name).toBe(name);
    }
  }
  for (const bytes of [[], [8], [8, 14], [8, 0x81, 0x01], [18, 0, 8, 1]]) {
    expect(peekEvent("StateChange", Uint8Array.from(bytes))).toBeUndefined();
  }
  expect(peekEvent("Synchronize", Uint8Array.of(8, 1))).toBeUndefined();
});

const version = (minor: number, patch = 0) => ({ major: 0, minor, patch, preRelease: false });

describe("an event mask", () => {
  const four = ["RunPodSandbox", "StopPodSandbox", "StartContainer", "StopContainer"] as const;
  test.each<[string, readonly EventName[], number, number]>([
    ["the four of the v0.1 contract", four, 6, 0x223],
    ["with the two removals", [...four, "RemovePodSandbox", "RemoveContainer"], 6, 0x627],
    ["no pod updates before NRI 0.10", eventNames, 9, 0x7ff],
    ["and from it on", eventNames, 10, 0x1fff],
    ["never 0, which would subscribe to everything", [], 12, 0x4],
    ["nor where the runtime knows none of them", ["UpdatePodSandbox"], 8, 0x4],
  ])("has bit number - 1 of each: %s", (_, wanted, minor, mask) => {
    expect(eventMask(wanted, version(minor))).toBe(mask);
    if (mask === 0x627) expect(eventsOfMask(mask).toSorted()).toEqual(wanted.toSorted());
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
