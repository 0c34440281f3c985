import { describe, expect, it } from "vitest";
import { mergeChanges, type Phase } from "../../src/adjust/from-v01.js";
import { changeOf, contextOf, otherId, ownId, version } from "./adjustment-support.js";

function merge(phase: Phase, ...answers: readonly [plugin: string, metadata: Record<string, string>][]) {
  const changes = answers.map(([plugin, keys]) => {
    const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`adjust.${key}`, value]));
    return changeOf({ metadata }, contextOf({ plugin, phase }));
  });
  return mergeChanges(changes, { phase, containerId: ownId });
}

describe("the changes of a chain", () => {
  it("are nothing when no plugin asks for anything", () => {
    expect(merge("create", ["a", {}], ["b", {}])).toEqual({ updates: [], fields: [], conflicts: [] });
  });

  it("add up where the fields differ", () => {
    const merged = merge("create", ["a", { "cpu.shares": "2" }], ["b", { "cpu.quota": "1000", "env.A": "1" }]);
    expect(merged.adjust).toEqual({
      env: [{ key: "A", value: "1" }],
      linux: { resources: { cpu: { shares: 2n, quota: 1000n } } },
    });
    expect(merged.conflicts).toEqual([]);
    expect(merged.fields).toEqual(["cpu.shares", "cpu.quota", "env.A"]);
  });

  it("are the last one's where several set one field, and the conflict names the first and the last", () => {
    const merged = merge("create", ["a", { "env.A": "1" }], ["b", { "env.A": "2" }], ["c", { "env.A": "3" }]);
    expect(merged.adjust?.env).toEqual([{ key: "A", value: "3" }]);
    expect(merged.conflicts).toEqual([{ field: "env.A", first: "a", last: "c" }]);
  });

  it("do not conflict where two ask for the same, or one plugin runs twice", () => {
    expect(merge("create", ["a", { "env.A": "1" }], ["b", { "env.A": "1" }]).conflicts).toEqual([]);
    const merged = merge("create", ["a", { "env.A": "1" }], ["a", { "env.A": "2" }]);
    expect([merged.conflicts, merged.adjust?.env]).toEqual([[], [{ key: "A", value: "2" }]]);
  });

  it("take a removal and a value for the same field", () => {
    const merged = merge("create", ["a", { "annotation.x": "1" }], ["b", { "annotation.-x": "" }]);
    expect(merged.adjust?.annotations).toEqual({ "-x": "" });
    expect(merged.conflicts).toEqual([{ field: "annotation.x", first: "a", last: "b" }]);
    const back = merge("create", ["a", { "mount.-/x": "" }], ["b", { "mount./x": "t,tmpfs" }]);
    expect(back.adjust?.mounts).toEqual([{ destination: "/x", source: "t", type: "tmpfs", options: [] }]);
  });

  it("hold the hooks of all, each time that they are merged", () => {
    const hooks = (plugin: string, ...stages: readonly string[]) => {
      const metadata = Object.fromEntries(stages.map((stage) => [`adjust.hook.${stage}`, `{"path":"/${plugin}"}`]));
      return changeOf({ metadata }, contextOf({ plugin }));
    };
    const changes = [hooks("a", "prestart"), hooks("b", "prestart", "poststop")];
    for (let time = 0; time < 2; time++) {
      const { adjust, conflicts, fields } = mergeChanges(changes, { phase: "create", containerId: ownId });
      expect(adjust?.hooks).toEqual({ prestart: [{ path: "/a" }, { path: "/b" }], poststop: [{ path: "/b" }] });
      expect([conflicts, fields]).toEqual([[], ["hook.prestart", "hook.poststop"]]);
    }
  });

  it("put the updates of one container together", () => {
    const key = `update.${otherId}.cpu`;
    const merged = merge(
      "delete",
      ["a", { [`${key}.shares`]: "2", [`${key}.quota`]: "1000" }],
      ["b", { [`${key}.shares`]: "3", "update.dead.cpu.shares": "4" }],
    );
    expect(merged.updates).toEqual([
      {
        containerId: otherId,
        linux: { resources: { cpu: { shares: 3n, quota: 1000n } } },
        ignoreFailure: true,
      },
      { containerId: "dead", linux: { resources: { cpu: { shares: 4n } } }, ignoreFailure: true },
    ]);
    expect(merged.conflicts).toEqual([{ field: `${key}.shares`, first: "a", last: "b" }]);
  });

  it("end with the update of the container itself", () => {
    const merged = merge("update", ["a", { "cpu.shares": "2" }], ["b", { [`update.${otherId}.cpu.shares`]: "3" }]);
    expect(merged.updates.map(({ containerId }) => containerId)).toEqual([otherId, ownId]);
  });

  it("are written to the cgroup in phase start", () => {
    const merged = merge("start", ["a", { "memory.swap": "2" }], ["b", { "memory.swap": "3", "cpu.cpus": "0" }]);
    expect(merged.own).toEqual({ memory: { swap: 3n }, cpu: { cpus: "0" } });
    expect(merged).not.toHaveProperty("adjust");
  });
});

describe("what results.keep keeps", () => {
  const asked = {
    ...{
      "cpu.quota": "-1",
      "cpu.cpus": "0-1",
      "memory.limit": "4096",
      "hugepage.2MB": "0",
      "unified.cpu.weight": "50",
    },
    ...{ "pids.limit": "5", "env.A": "1", blockioClass: "x", [`update.${otherId}.cpu.shares`]: "9" },
  };
  const metadata = Object.fromEntries(Object.entries(asked).map(([key, value]) => [`adjust.${key}`, value]));
  const keptIn = (context: Parameters<typeof contextOf>[0]) =>
    mergeChanges([changeOf({ metadata }, contextOf(context))], { phase: "create", containerId: ownId }).kept;

  it("are the resources that an update can carry, in the order of the chain", () => {
    const kept = {
      ...{ "cpu.quota": "-1", "cpu.cpus": "0-1", "memory.limit": "4096", "hugepage.2MB": "0" },
      "unified.cpu.weight": "50",
    };
    expect(keptIn({ keep: true })).toEqual(kept);
    expect(keptIn({})).toBeUndefined();
    const runtime = { name: "cri-o", version: version("1.35.0") };
    expect(Object.keys(keptIn({ keep: true, runtime }) ?? {})).toEqual(["cpu.quota", "cpu.cpus", "memory.limit"]);
    const messages = {
      linux: { resources: { hugepageLimits: [{ pageSize: "2MB" }], cpu: { quota: { value: 5000 } } } },
    };
    const change = changeOf({ adjust: messages }, contextOf({ keep: true }));
    expect(mergeChanges([change], { phase: "create", containerId: ownId }).kept).toEqual({
      ...{ "hugepage.2MB": "0", "cpu.quota": "5000" },
    });
  });

  it("is answered to an update, and what a plugin answers to that wins without a conflict", () => {
    const kept = { "cpu.quota": "-1", "cpu.shares": "5", "unified.cpu.weight": "50", "gone.in.a.later.version": "1" };
    const own = changeOf({ metadata: { "adjust.cpu.shares": "7" } }, contextOf({ phase: "update" }));
    const { updates, conflicts } = mergeChanges([own], { phase: "update", containerId: ownId, kept });
    expect(updates).toEqual([
      {
        containerId: ownId,
        linux: { resources: { cpu: { quota: -1n, shares: 7n }, unified: { "cpu.weight": "50" } } },
      },
    ]);
    expect(conflicts).toEqual([]);
  });
});
