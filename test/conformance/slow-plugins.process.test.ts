import { afterAll, describe, expect, it } from "vitest";
import { createPortableSpawner } from "../../src/legacy/portable-spawner.js";
import { findDifferences } from "./differences.js";
import { casesOf, expectedOutcome, toTable } from "./expected.js";
import { exceptionsOf } from "./known-exceptions.js";
import { playRecorded } from "./play-recorded.js";

const spawner = createPortableSpawner();
afterAll(() => spawner.close());

const slow = casesOf("2 s");

/** containerd 1.6 had no limit of its own; an NRI v2 runtime has one, which the bridge keeps (2 s as recorded). */
describe.concurrent("a plugin that needs 3 s", () => {
  it.each(toTable(slow, "2 s"))("is ended where the runtime allows 2 s: %s", async (_, recorded) => {
    const played = await playRecorded(recorded, { spawner });
    const differences = findDifferences(expectedOutcome(recorded), played);
    // What is left of the call's time differs from run to run; the chain gets at least half of it.
    const exact = differences.map((difference) => difference.replace(/within 1\d\d\d ms/, "within <n> ms"));
    expect(exact).toEqual(exceptionsOf(recorded.name, "2 s"));
  });

  it.each(toTable(slow, "as recorded"))("is waited for where the runtime allows 10 s: %s", async (_, recorded) => {
    const played = await playRecorded(recorded, { spawner, requestTimeoutMs: 10_000 });
    expect(findDifferences(expectedOutcome(recorded), played)).toEqual([]);
  });
});
