import { describe, expect, it } from "vitest";
import { answerBytes, type Change } from "../../src/adjust/from-v01.js";
import { changeOf, contextOf, errorOf } from "./adjustment-support.js";

describe("the sources of a change", () => {
  const adjust = {
    linux: { resources: { cpu: { shares: 3 } } },
    hooks: { prestart: [{ path: "/b" }, { path: "/c" }] },
  };
  const metadata = { "adjust.cgroupsPath": "/2", "adjust.cpu.shares": "2", "adjust.hook.prestart": '{"path":"/a"}' };
  const twice = { "adjust.annotation.v01.konfine/a": "2", a: "7" };

  it("are read in the contract's order: the later one wins, for a whole stage of hooks too", () => {
    const captured = { cpu: { shares: 4n } };
    const shares = (change: Change) => change.adjust?.linux?.resources?.cpu?.shares;
    expect(changeOf({ cgroupsPath: "/1", metadata }).adjust?.linux?.cgroupsPath).toBe("/2");
    const both = changeOf({ metadata, adjust });
    expect([shares(both), both.adjust?.hooks?.prestart]).toEqual([3n, adjust.hooks.prestart]);
    expect(both.fields).toEqual(["cgroupsPath", "cpu.shares", "hook.prestart"]);
    expect(shares(changeOf({ adjust }, contextOf(), captured))).toBe(4n);
    const rename = contextOf({ rename: { width: "cpu.shares" } });
    expect(shares(changeOf({ metadata: { width: "5" } }, rename, captured))).toBe(5n);
    const annotated = changeOf({ metadata: twice }, contextOf({ annotate: true }));
    expect(annotated.adjust?.annotations?.["v01.konfine/a"]).toBe("7");
  });
});

describe("cgroupsPath at the top level", () => {
  it.each(["start", "update", "delete"] as const)("is ignored in phase %s, whatever it is", (phase) => {
    for (const cgroupsPath of ["/x", 5, null, ""]) {
      const change = changeOf({ cgroupsPath }, contextOf({ phase }));
      expect(change.fields).toEqual([]);
      expect(change.notes.map(({ level }) => level)).toEqual(cgroupsPath === "/x" ? ["debug"] : []);
    }
  });

  it("is an error in phase create when it is no text, and nothing when it is empty", () => {
    expect(errorOf({ cgroupsPath: 5 })).toContain('"cgroupsPath" must be a string, not 5');
    expect(changeOf({ cgroupsPath: "" }).fields).toEqual([]);
  });
});

describe("captured cgroup writes", () => {
  it("become the adjustment of phase create", () => {
    const captured = {
      ...{ cpu: { quota: -1n, cpus: "0-1" }, memory: { limit: 1024n }, pids: { limit: 5n } },
      ...{ hugepageLimits: [{ pageSize: "2MB", limit: 0n }], unified: { "memory.high": "max" } },
    };
    expect(changeOf({}, contextOf(), captured).adjust?.linux?.resources).toEqual(captured);
  });

  it("of device rules are NRI's since 0.10", () => {
    const devices = [{ allow: true, type: "c", major: 10n, access: "rw" }, { allow: false }];
    const { adjust, fields } = changeOf({}, contextOf(), { devices });
    expect([adjust?.linux?.resources?.devices, fields]).toEqual([devices, ["deviceRules"]]);
    expect(errorOf({}, contextOf({ nriVersion: "0.8.0" }), { devices })).toContain("cgroup write of devices");
  });

  it("that the phase cannot apply are an error with the remedy", () => {
    expect(errorOf({}, contextOf(), { memory: { reservation: 5n } })).toContain(
      'cgroup write of memory.reservation "5": takes effect in phase start',
    );
  });

  it("that this runtime does not carry are left out with a warning by lostWrites: warn", () => {
    const context = contextOf({ phase: "start", cgroupVersion: 2, lostWrites: "warn" });
    const change = changeOf({}, context, { memory: { swappiness: 5n, limit: 7n } });
    expect(change.own).toEqual({ memory: { limit: 7n } });
    expect(change.notes).toEqual([
      {
        level: "warn",
        text: expect.stringContaining("cgroup write of memory.swappiness: takes effect on hosts with cgroup v1"),
      },
    ]);
  });
});

describe("results.rename", () => {
  const rename = { cpuset: "cpu.cpus", tag: "annotation.tag", absent: "cpu.mems" };
  const metadata = { cpuset: "0-1", tag: "x", other: "y" };

  it("gives a metadata key its meaning, and leaves out what an update or a delete cannot hold", () => {
    expect(changeOf({ metadata }, contextOf({ rename })).fields).toEqual(["cpu.cpus", "annotation.tag"]);
    expect(changeOf({ metadata }, contextOf({ rename, phase: "update" })).fields).toEqual(["cpu.cpus"]);
    expect(changeOf({ metadata }, contextOf({ rename, phase: "delete" })).fields).toEqual([]);
  });

  it("is an error where the plugin runs in the wrong phase, and where the target is unknown", () => {
    expect(errorOf({ metadata }, contextOf({ rename, phase: "start" }))).toContain(
      'tag (results.rename to annotation.tag) "x": takes effect in phase create',
    );
    expect(errorOf({ metadata }, contextOf({ rename: { tag: "cpu.cpu" } }))).toContain("did you mean cpu.cpus?");
  });

  it("takes no inherited name for an entry", () => {
    expect(changeOf({ metadata: { toString: "x", constructor: "y" } }, contextOf({ rename: {} })).fields).toEqual([]);
  });
});

describe("results.annotate", () => {
  const metadata = { a: "1", "adjust.annotation.b": "2" };

  it("copies all metadata to annotations of the plugin", () => {
    expect(changeOf({ metadata }, contextOf({ annotate: true })).adjust?.annotations).toEqual({
      b: "2",
      "v01.konfine/a": "1",
      "v01.konfine/adjust.annotation.b": "2",
    });
  });

  it("warns in phase start, and is silent in an update and a delete", () => {
    const answer = { metadata: { a: "1" } };
    const notes = (phase: "start" | "update" | "delete") =>
      changeOf(answer, contextOf({ annotate: true, phase })).notes;
    expect(notes("start")).toEqual([{ level: "warn", text: expect.stringContaining("results.annotate of a") }]);
    expect(notes("update")).toEqual([]);
    expect(notes("delete")).toEqual([]);
  });
});

describe("the size of a change", () => {
  it("is what the answer has room for", () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [`adjust.env.V${at}`, "x".repeat(120_000)]),
    );
    expect(errorOf({ metadata })).toMatch(/a change of \d+ bytes: the answer to the runtime has room for 3145728 more/);
    expect(changeOf({ metadata: { "adjust.env.A": "é".repeat(100) } }).bytes).toBeGreaterThan(200);
    expect(errorOf({ metadata: { "adjust.env.A": "x" } }, contextOf({ bytesLeft: 10 }))).toContain("room for 10 more");
    expect(answerBytes).toBeLessThan(4 * 1024 * 1024);
  });
});
