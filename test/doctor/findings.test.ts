import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import type { Finding } from "../../src/tools/doctor/finding.js";
import { table } from "../../src/tools/doctor/report.js";
import { type FakeNode, healthyNode } from "./fake-node.js";
import { type Fault, faults } from "./faults.js";

const ways = Object.entries(faults).flatMap(([id, list]) =>
  list.map((fault, at): readonly [string, number, Fault] => [id, at + 1, fault]),
);

/** Commands that write into files, remove or start something: none of them is advice. */
const harmful =
  /(^|[;&|`$(:] ?|\b(then|or|first) )(sed|jq|printf|echo|cat|tee|rm|cp|ln|mkdir|mount -o|kill(?! -CONT)|time|sh|containerd config default)\b|nri-v01-bridge (run(?! --help)|exec|record|simulate)\b|[^-]>|NAME|PROGRAM|&& systemctl/;

/** Says that whoever follows a fix to the letter makes nothing worse, and that its command is one that a shell takes. */
function expectHarmless({ fix }: Finding): void {
  expect(fix).not.toMatch(harmful);
  if (/^(chmod|chown|mv|systemctl) /.test(fix)) execFileSync("/bin/sh", ["-nc", fix], { stdio: "pipe" });
}

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});

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
