import { afterAll, describe, expect, it } from "vitest";
import { createPortableSpawner } from "../../src/legacy/portable-spawner.js";
import { findDifferences } from "./differences.js";
import { casesOf, expectedOutcome, toTable } from "./expected.js";
import { exceptionsOf } from "./known-exceptions.js";
import { playRecorded } from "./play-recorded.js";

const spawner = createPortableSpawner();
afterAll(() => spawner.close());

const cases = casesOf("as recorded");

/** Real plugin processes, a real socket, and what containerd 1.6.20 sent and said, byte for byte. */
describe("the bridge does what containerd 1.6.20 did", () => {
  it.each(toTable(cases, "as recorded"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded, { spawner });
    const expected = expectedOutcome(recorded);
    expect(findDifferences(expected, played)).toEqual(exceptionsOf(recorded.name, "as recorded"));
    // The recording agrees with itself, and the bridge's report of a run with what the plugin read.
    expect(expected.runs.map(({ plugin }) => plugin)).toEqual(recorded.invocations.map(({ plugin }) => plugin));
    expect(played.reported).toEqual(
      played.runs.flatMap(({ request }) => (request.length === 0 ? [] : [request.toString()])),
    );
    expect(played.deleted).toEqual([...new Set(played.deleted)]);
    expect(played.created.map(({ id }) => id)).toEqual(expect.arrayContaining([...played.deleted]));
    // compat: what a plugin left running lives on; nobody waits for it.
    const holds = recorded.name.startsWith("hold-stdout@");
    expect(played.leftBehind.map(({ alive }) => alive)).toEqual(holds ? [true] : []);
  });
});

/** NRI 0.12 gives each event a call of its own: the plugins see the same. */
describe("with a call of its own for each event, the bridge does what containerd 1.6.20 did", () => {
  const twins = cases.filter(({ ownEvents }) => ownEvents);
  it.each(toTable(twins, "as recorded"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded, { spawner, dialect: "dedicated" });
    expect(findDifferences(expectedOutcome(recorded), played)).toEqual(exceptionsOf(recorded.name, "as recorded"));
  });
});
