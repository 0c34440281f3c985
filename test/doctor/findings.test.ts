import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { table } from "../../src/tools/doctor/report.js";
import { configurationFaults } from "./cases/configuration.js";
import { migrateFaults, nodeFaults } from "./cases/node.js";
import { runtimeFaults } from "./cases/runtime.js";
import { type FakeNode, healthyNode } from "./fake-node.js";
import { expectHarmless, type Fault } from "./faults.js";

const faults = { ...runtimeFaults, ...configurationFaults, ...nodeFaults, ...migrateFaults };
const ways = Object.entries(faults).flatMap(([id, list]) =>
  list.map((fault, at): readonly [string, number, Fault] => [id, at + 1, fault]),
);

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});
afterEach(() => node.close());

describe("the table of findings", () => {
  it("has a case for each row", () => {
    const ids = new Set(table.flat().map(({ id }) => id));
    expect(Object.keys(faults).sort()).toEqual([...ids].sort());
  });
});

describe("a fault", () => {
  it.each(ways)("%s, way %i: is found alone, and no more when it is mended", async (id, _, fault) => {
    await fault.make?.(node);
    const found = await node.find(fault.options);
    expect(found.map((finding) => finding.id)).toEqual([id]);
    const [finding] = found;
    if (finding === undefined) throw new Error("no finding");
    // Paths are the node's, but for that of the file of --config, which is given as it is typed.
    expect(JSON.stringify(finding).replaceAll(`${node.root}/etc/bridge.yaml`, "")).not.toContain(node.root);
    if (fault.where !== undefined) expect(finding.where).toBe(fault.where);
    if (fault.says !== undefined) expect(finding.what).toContain(fault.says);
    if (fault.fixSays !== undefined) expect(finding.fix).toContain(fault.fixSays);
    expectHarmless(finding);

    const { mend } = fault;
    if (mend === "its fix") node.apply(finding);
    else if (typeof mend === "function") await mend(node);
    // What was written to the configuration's file stays there, so that its fix may add to it.
    const { config: _config, ...same } = fault.options ?? {};
    expect(await node.ids(typeof mend === "object" ? mend.options : same)).toEqual([]);
  });
});
