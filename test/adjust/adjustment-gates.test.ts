import { describe, expect, it } from "vitest";
import type { AdjustmentContext } from "../../src/adjust/from-v01.js";
import { changeOf, contextOf, errorOf, otherId, ownId, parseAnswer, version } from "./adjustment-support.js";

// Since which version a key is: docs/RESULTS.md, whose rows adjustment-document.test.ts tries.
describe("the NRI version", () => {
  it.each(["annotation.a", "env.A", "cgroupsPath"])("%s is as old as NRI v2", (key) => {
    expect(parseAnswer({ metadata: { [`adjust.${key}`]: "x" } }, contextOf({ nriVersion: "0.2.0" })).ok).toBe(true);
  });

  it("before its release counts as older", () => {
    const nri = { ...version("0.11.0-rc.1"), source: "stated" } as const;
    expect(errorOf({ metadata: { "adjust.sysctl.a.b": "1" } }, contextOf({ nri }))).toContain("needs NRI 0.11");
  });
});

const remedies: readonly [AdjustmentContext["phase"], key: string, says: string][] = [
  ["start", "annotation.a", "not in start: the container exists already; set `phase: create` for this plugin"],
  ["start", `update.${otherId}.cpu.shares`, "the answer to a start holds no updates; set `phase: create`"],
  ["create", "memory.swap", "where NRI's OCI generator drops it in silence (0.2 to 0.12); set `phase: start`"],
  ["update", "annotation.a", "takes effect in phase create, not in update; ask for it when the container is created"],
  ["update", `update.${ownId}.cpu.shares`, "this update is of that container itself; use the key without"],
];

describe("the phase", () => {
  it.each(remedies)("%s: adjust.%s", (phase, key, says) => {
    expect(errorOf({ metadata: { [`adjust.${key}`]: "5" } }, contextOf({ phase }))).toContain(says);
  });

  it.each([
    ["annotation.a", "takes effect in phase create, not in delete"],
    [`update.${ownId}.cpu.shares`, "this container is stopping"],
  ])("delete: adjust.%s is a warning, one of twenty, and the rest counts", (key, says) => {
    const many = Object.fromEntries(Array.from({ length: 29 }, (_, n) => [`adjust.annotation.a${n}`, "x"]));
    const metadata = { [`adjust.${key}`]: "5", [`adjust.update.${otherId}.cpu.shares`]: "7", ...many };
    const answer = { metadata, adjust: { annotations: { a: "b" } } };
    const { fields, notes } = changeOf(answer, contextOf({ phase: "delete" }));
    expect(fields).toEqual([`update.${otherId}.cpu.shares`]);
    expect(notes).toHaveLength(21);
    expect(notes[20]).toEqual({ level: "warn", text: "further notes are left out" });
    expect(notes[0]).toEqual({ level: "warn", text: `adjust.${key}: ${says}` });
  });
});

describe("the host", () => {
  it.each([
    [
      1,
      "update",
      `update.${otherId}.unified.memory.high`,
      "hosts with cgroup v2, and this host has v1; use the cpu., memory.",
    ],
    [2, "start", "memory.swappiness", "hosts with cgroup v1, and this host has v2; cgroup v2 has no such setting"],
  ] as const)("with cgroup v%s, in phase %s: adjust.%s", (cgroupVersion, phase, key, says) => {
    expect(errorOf({ metadata: { [`adjust.${key}`]: "5" } }, contextOf({ phase, cgroupVersion }))).toContain(says);
  });
});

type Phase = AdjustmentContext["phase"];

const runtimes: readonly [name: string, version: string, phase: Phase, key: string, ok: boolean][] = [
  ["containerd", "1.7.29", "create", "cdi.a.com/b=c", false],
  ["containerd", "1.7.30", "create", "cdi.a.com/b=c", true],
  ["containerd", "2.0.7", "create", "cdi.a.com/b=c", false],
  ["containerd", "2.1.0", "create", "cdi.a.com/b=c", true],
  ["cri-o", "1.33.4", "create", "cdi.a.com/b=c", false],
  ["cri-o", "1.34.0", "create", "cdi.a.com/b=c", true],
  ["other", "0.1.0", "create", "cdi.a.com/b=c", true],
  ["cri-o", "1.36.0", "update", "hugepage.2MB", false],
  ["cri-o", "1.36.0", "create", "hugepage.2MB", true],
  ["containerd", "2.3.4", "update", "hugepage.2MB", true],
  ["cri-o", "1.35.6", "update", "unified.memory.high", false],
  ["cri-o", "1.36.0", "update", "unified.memory.high", true],
  ["cri-o", "1.35.6", "create", "unified.memory.high", true],
];

describe("the runtime", () => {
  it.each(runtimes)("%s %s in phase %s: adjust.%s", (name, text, phase, key, ok) => {
    const context = contextOf({ phase, runtime: { name, version: version(text) } });
    const parsed = parseAnswer({ metadata: { [`adjust.${key}`]: key.startsWith("cdi") ? "" : "1" } }, context);
    expect(parsed.ok).toBe(ok);
    if (!parsed.ok) expect(parsed.error).toContain(`${name} ${text} drops it in silence; needs `);
  });

  it("of unknown version is named alone where it drops a field", () => {
    const context = contextOf({ phase: "update", runtime: { name: "cri-o", version: undefined } });
    const error = errorOf({ metadata: { "adjust.hugepage.2MB": "1" } }, context);
    expect(error).toContain(": cri-o drops it in silence; needs containerd");
  });

  it("of unknown version is given the benefit of the doubt", () => {
    const context = contextOf({ runtime: { name: "containerd", version: undefined } });
    expect(parseAnswer({ metadata: { "adjust.cdi.a.com/b=c": "" } }, context).ok).toBe(true);
  });
});
