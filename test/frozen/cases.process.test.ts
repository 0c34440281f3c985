import { describe, expect, it } from "vitest";
import { readCases } from "../support/recorded-cases.js";
import { findDifferences } from "./cases/differences.js";
import { casesOf, expectedOutcome, toTable } from "./cases/expected.js";
import { exceptionsOf, knownExceptions } from "./cases/known-exceptions.js";
import { orderOf, playRecorded } from "./cases/play.js";

const cases = casesOf("as recorded");

/**
 * Real plugin processes, a real socket, and what containerd 1.6.20 sent and said, byte for byte. Plugins that needed 3 s are
 * quicker here, since an NRI v2 runtime does not wait so long as 1.6 did.
 */
describe("the bridge does what containerd 1.6.20 did", () => {
  it.each(toTable(cases, "as recorded"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded);
    const expected = expectedOutcome(recorded);
    expect(findDifferences(expected, played)).toEqual(exceptionsOf(recorded.name, "as recorded"));
    // The recording agrees with itself, and the bridge's report of a run with what the plugin read.
    expect(expected.runs.map(({ plugin }) => plugin)).toEqual(recorded.invocations.map(({ plugin }) => plugin));
    expect(played.reported).toEqual(
      played.runs.flatMap(({ request }) => (request.length === 0 ? [] : [request.toString()])),
    );
    const deletes = played.deleted.map(({ id, plugin }) => `${plugin} ${id}`);
    expect(deletes).toEqual([...new Set(deletes)]);
    const [created, deleted] = [played.created, played.deleted].map((ids) => new Set(ids.map(({ id }) => id)));
    expect([...(created ?? [])]).toEqual(expect.arrayContaining([...(deleted ?? [])]));
    // Where one conf.json held all the time, nothing that was created is without its delete.
    if (recorded.ownEvents && recorded.confs.length === 1) expect(deleted).toEqual(created);
    // compat: what a plugin left running lives on; nobody waits for it.
    const holds = recorded.name.startsWith("hold-stdout@");
    expect(played.leftBehind.map(({ alive }) => alive)).toEqual(holds ? [true] : []);
  });
});

/** containerd 1.6 had no limit of its own; an NRI v2 runtime has one, which the bridge keeps: 2 s as recorded. */
describe.concurrent("a plugin that needs 3 s is ended where the runtime allows 2 s", () => {
  it.each(toTable(casesOf("2 s"), "2 s"))("%s", async (_, recorded) => {
    const played = await playRecorded(recorded, { sleepSeconds: 3 });
    const differences = findDifferences(expectedOutcome(recorded), played);
    // What is left of the call's time differs from run to run; the chain gets at least half of it.
    const exact = differences.map((difference) => difference.replace(/within 1\d\d\d ms/, "within <n> ms"));
    expect(exact).toEqual(exceptionsOf(recorded.name, "2 s"));
  });
});

/** The recorded streams of events; of those in which the same happens in the same order, one. */
const streams = [...new Map(casesOf("events only").map((recorded) => [orderOf(recorded), recorded])).values()];

describe.each([
  { refused: "create", failing: ["RunPodSandbox"] },
  { refused: "create container", failing: ["StartContainer"] },
  { refused: "delete", failing: [] },
  { refused: "delete container", failing: [] },
])("with a plugin that refuses $refused, each attempted create gets one delete", ({ refused, failing }) => {
  it.each(streams.map((recorded) => [recorded.name, recorded] as const))("%s", async (_, recorded) => {
    const conf = JSON.stringify({ version: "0.1", plugins: [{ type: "refuser", conf: refused }] });
    const { created, deleted, errors } = await playRecorded(recorded, { conf });
    expect(created).not.toEqual([]);
    expect(deleted.map(({ id }) => id).toSorted()).toEqual(created.map(({ id }) => id).toSorted());
    // Only a create fails the call.
    const failed = created.filter(({ event }) => failing.some((name) => name === event));
    expect(errors).toEqual(failed.map(({ event }) => `${event}: UNKNOWN: nri invoke: plugin: refuser: no ${refused}`));
  });
});

describe("the known exceptions", () => {
  const rows = knownExceptions.flatMap(({ cases: names, modes, differences }) =>
    names.flatMap((name) => modes.map((mode) => ({ name, mode, differences }))),
  );

  it.each(rows)("$name, $mode: is a case that is played so, with differences", ({ name, mode, differences }) => {
    expect(casesOf(mode).map((recorded) => recorded.name)).toContain(name);
    expect(differences).not.toEqual([]);
  });

  it("leave most of the 91 cases without any", () => {
    const all = readCases().map(({ name }) => name);
    expect(all).toHaveLength(91);
    const excepted = new Set(rows.filter(({ mode }) => mode !== "events only").map(({ name }) => name));
    expect(excepted.size).toBe(2);
  });
});
