import { afterAll, describe, expect, it } from "vitest";
import { createPortableSpawner } from "../../src/legacy/portable-spawner.js";
import { casesOf } from "./expected.js";
import { playRecorded } from "./play-recorded.js";

const spawner = createPortableSpawner();
afterAll(() => spawner.close());

/** Every recorded stream of events; the other cases play one of them. */
const streams = casesOf("events only");

describe.each([
  { refused: "nothing", failing: [] },
  { refused: "create", failing: ["RunPodSandbox"] },
  { refused: "create container", failing: ["StartContainer"] },
  { refused: "delete", failing: [] },
  { refused: "delete container", failing: [] },
])("with a plugin that refuses $refused, each attempted create gets one delete", ({ refused, failing }) => {
  it.each(streams.map((recorded) => [recorded.name, recorded] as const))("%s", async (_, recorded) => {
    const conf = JSON.stringify({ version: "0.1", plugins: [{ type: "refuser", conf: refused }] });
    const { created, deleted, errors } = await playRecorded(recorded, { spawner, conf });
    expect(created).not.toEqual([]);
    expect([...deleted].toSorted()).toEqual(created.map(({ id }) => id).toSorted());
    // Only a create fails the call.
    const failed = created.filter(({ event }) => failing.some((name) => name === event));
    expect(errors).toEqual(failed.map(({ event }) => `${event}: UNKNOWN: nri invoke: plugin: refuser: no ${refused}`));
  });
});
