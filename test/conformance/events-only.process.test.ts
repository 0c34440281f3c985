import { afterAll, describe, expect, it } from "vitest";
import { createPortableSpawner } from "../../src/legacy/portable-spawner.js";
import { findDifferences } from "./differences.js";
import { casesOf, expectedOutcome, toTable } from "./expected.js";
import { exceptionsOf } from "./known-exceptions.js";
import { playRecorded } from "./play-recorded.js";

const spawner = createPortableSpawner();
afterAll(() => spawner.close());

const cases = casesOf("events only");

/** Where no OCI bundle can be read, some fields cannot be what they were: each one is listed with its reason. */
describe("from the events alone, the requests differ from containerd 1.6.20's in known fields only", () => {
  it.each(toTable(cases, "events only"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded, { spawner, withoutBundles: true });
    expect(findDifferences(expectedOutcome(recorded), played)).toEqual(exceptionsOf(recorded.name, "events only"));
  });

  it("shows a pod the annotations that pod_annotations let through, when annotations.oci names them", async () => {
    const passed = cases.filter(({ name }) => name === "annotations-passed");
    expect(passed).toHaveLength(1);
    for (const recorded of passed) {
      const played = await playRecorded(recorded, {
        spawner,
        withoutBundles: true,
        flags: { annotations: { oci: ["*"] } },
      });
      const differences = findDifferences(expectedOutcome(recorded), played);
      expect(differences.filter((difference) => difference.includes("pod1"))).toEqual([]);
    }
  });
});
