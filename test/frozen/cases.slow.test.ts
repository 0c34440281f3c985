import { describe, expect, it } from "vitest";
import { findDifferences } from "./cases/differences.js";
import { casesOf, expectedOutcome, toTable } from "./cases/expected.js";
import { exceptionsOf } from "./cases/known-exceptions.js";
import { playRecorded } from "./cases/play.js";

/** Other calls, labels and stopped pods (src/tools/replay/as-runtime.ts): the plugins see the same. */
describe.each(["containerd-2.2.7", "containerd-2.4.0"])(
  "on %s, the bridge does what containerd 1.6.20 did",
  (runtime) => {
    const twins = casesOf("as recorded").filter(({ ownEvents }) => ownEvents);
    it.each(toTable(twins, "as recorded"))("%s", async (_, recorded) => {
      const played = await playRecorded(recorded, { runtime });
      expect(findDifferences(expectedOutcome(recorded), played)).toEqual(exceptionsOf(recorded.name, "as recorded"));
    });
  },
);

/** Where no OCI bundle can be read, some fields cannot be what they were: each one is listed with its reason. */
describe("from the events alone, requests differ from containerd 1.6.20's in known fields only", () => {
  const alone = casesOf("events only");
  it.each(toTable(alone, "events only"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded, { withoutBundles: true });
    expect(findDifferences(expectedOutcome(recorded), played)).toEqual(exceptionsOf(recorded.name, "events only"));
  });

  it("shows the annotations that the runtime's patterns let through, when annotations.pod and .container name them", async () => {
    const passed = alone.filter(({ name }) => name === "annotations-passed");
    expect(passed).toHaveLength(1);
    // As the runtime was configured in the recording.
    const config = 'annotations: {pod: ["both", "x<y"], container: ["both"]}\n';
    for (const recorded of passed) {
      const played = await playRecorded(recorded, { withoutBundles: true, config });
      expect(findDifferences(expectedOutcome(recorded), played)).toEqual([]);
    }
  });
});
