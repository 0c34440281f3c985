import { describe, expect, it } from "vitest";
import { changeOf, contextOf, errorOf, otherId } from "./adjustment-support.js";

/** An object, and the metadata that ask for the same. */
const same: readonly [adjust: object, metadata: Record<string, string>][] = [
  [{ annotations: { a: "b", "-c": "" } }, { "annotation.a": "b", "annotation.-c": "" }],
  [{ env: { A: "1" } }, { "env.A": "1" }],
  [
    { mounts: [{ destination: "/d", type: "bind", source: "/s", options: ["rbind"] }, { destination: "-/e" }] },
    { "mount./d": "/s,bind,rbind", "mount.-/e": "" },
  ],
  [{ mounts: [{ destination: "/t", type: "tmpfs", source: "tmpfs" }] }, { "mount./t": "tmpfs,tmpfs" }],
  [
    { hooks: { poststop: [{ path: "/x", args: ["x"], env: ["A=1"], timeout: 3 }] } },
    { "hook.poststop": '{"path":"/x","args":["x"],"env":["A=1"],"timeout":3}' },
  ],
  [{ rlimits: [{ type: "RLIMIT_CORE", soft: 0, hard: 1 }] }, { "rlimit.RLIMIT_CORE": "0:1" }],
  [{ args: ["/bin/x", ""] }, { args: '["/bin/x",""]' }],
  [{ CDIDevices: [{ name: "a.com/b=c" }] }, { "cdi.a.com/b=c": "" }],
  [
    { linux: { devices: [{ path: "/dev/x", type: "c", major: 1, minor: 2, fileMode: 438, uid: 3, gid: 4 }] } },
    { "device./dev/x": "c:1:2:666:3:4" },
  ],
  [{ linux: { devices: [{ path: "/dev/x", type: "p", major: 0, minor: 0 }] } }, { "device./dev/x": "p:0:0" }],
  [
    { linux: { cgroupsPath: "/c", oomScoreAdj: -1, sysctl: { "a.b": "c" } } },
    { cgroupsPath: "/c", oomScoreAdj: "-1", "sysctl.a.b": "c" },
  ],
  [
    { linux: { resources: { cpu: { shares: 2, quota: -1, period: 1000, cpus: "0", mems: "1" } } } },
    { "cpu.shares": "2", "cpu.quota": "-1", "cpu.period": "1000", "cpu.cpus": "0", "cpu.mems": "1" },
  ],
  [
    { linux: { resources: { memory: { limit: 5 }, pids: { limit: 6 }, unified: { "a.b": "c" } } } },
    { "memory.limit": "5", "pids.limit": "6", "unified.a.b": "c" },
  ],
  [
    { linux: { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 7 }], blockioClass: "x", rdtClass: "" } } },
    { "hugepage.2MB": "7", blockioClass: "x", rdtClass: "" },
  ],
  [
    { update: [{ containerId: otherId, linux: { resources: { cpu: { shares: 5 }, unified: { "a.b": "c" } } } }] },
    { [`update.${otherId}.cpu.shares`]: "5", [`update.${otherId}.unified.a.b`]: "c" },
  ],
  // NRI's spelling, and any letter case, as v0.1 itself reads keys.
  [
    {
      linux: { cgroups_path: "/c", oom_score_adj: 5, Resources: { hugepage_limits: [{ page_size: "1GB", limit: 0 }] } },
    },
    { cgroupsPath: "/c", oomScoreAdj: "5", "hugepage.1GB": "0" },
  ],
  [{ CDI_devices: [{ name: "a.com/b=c" }], RLIMITS: [] }, { "cdi.a.com/b=c": "" }],
  [{}, {}],
];

describe("an adjust object", () => {
  it.each(same)("%j asks for what its keys ask for", (adjust, keys) => {
    const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`adjust.${key}`, value]));
    const byObject = changeOf({ adjust });
    const byKeys = changeOf({ metadata });
    expect(byObject.adjust).toEqual(byKeys.adjust);
    expect(byObject.updates).toEqual(byKeys.updates);
    expect(byObject.fields).toEqual(byKeys.fields);
  });

  it("keeps 64-bit numbers", () => {
    const adjustText = '{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}]}}}';
    const parsed = changeOf({ adjustText });
    expect(parsed.adjust?.linux?.resources?.hugepageLimits).toEqual([
      { pageSize: "2MB", limit: 18_446_744_073_709_551_615n },
    ]);
  });

  it("takes a source with a comma, which no metadata key can say", () => {
    const adjust = { mounts: [{ destination: "/d", type: "bind", source: "/a,b", options: ["bind"] }] };
    expect(changeOf({ adjust }).adjust?.mounts?.[0]?.source).toBe("/a,b");
  });

  it("asks for the fields of phase start by their OCI names", () => {
    const memory = {
      reservation: 1,
      swap: 2,
      kernel: 3,
      kernelTCP: 4,
      swappiness: 5,
      disableOOMKiller: true,
      useHierarchy: false,
    };
    const context = contextOf({ phase: "start", cgroupVersion: 1 });
    expect(changeOf({ adjust: { linux: { resources: { memory } } } }, context).own?.memory).toEqual({
      reservation: 1n,
      swap: 2n,
      kernel: 3n,
      kernelTCP: 4n,
      swappiness: 5n,
      disableOOMKiller: true,
      useHierarchy: false,
    });
  });
});

/** An object that is wrong, and what the error says. */
const wrong: readonly [adjust: unknown, says: string][] = [
  [5, '"adjust" must be an object, not 5'],
  [[], '"adjust" must be an object, not []'],
  [{ annotation: {} }, 'adjust.annotation "{}": expected one of annotations, env, mounts'],
  [{ annotations: null }, 'adjust.annotations "null": expected an object, not null'],
  [{ annotations: { a: 1 } }, 'adjust.annotations.a "1": expected a text in quotes, not a number'],
  [{ env: ["A=1"] }, 'adjust.env "[\\"A=1\\"]": expected an object, not a list'],
  [{ env: { "-A": "" } }, "NRI does not hand the removal"],
  [{ mounts: [null] }, 'adjust.mounts[0] "null": expected an object, not null'],
  [{ mounts: [{ type: "bind", source: "/s" }] }, "destination: expected a value"],
  [{ mounts: [{ destination: "/d", type: "bind" }] }, "source: expected a value"],
  [
    { mounts: [{ destination: "/d", type: "tmpfs", source: "t", opts: [] }] },
    'adjust.mounts[0].opts "[]": expected one of',
  ],
  [{ mounts: [{ destination: "/d", type: "tmpfs", source: "t" }, { destination: "-/d" }] }, "adjust.mounts[1]"],
  [{ hooks: { prestart: [{ path: "x" }] } }, "an absolute path as path"],
  [{ hooks: { postStops: [] } }, "did you mean poststop?"],
  [{ rlimits: [{ type: "RLIMIT_CORE", soft: -1, hard: 1 }] }, "soft: expected an integer from 0"],
  [{ args: [] }, "with the program first"],
  [{ CDIDevices: [{ name: "gpu" }] }, "a CDI device's full name"],
  [
    { linux: { devices: [{ path: "/dev/x", type: "c", major: "1", minor: 2 }] } },
    "major: expected a number without quotes",
  ],
  [{ linux: { devices: [{ path: "/dev/x", type: "c", major: 1.5, minor: 2 }] } }, "major: expected an integer"],
  [{ linux: { devices: [{ path: "-/dev/x" }] } }, "NRI does not hand the removal of a container's own device on"],
  [{ linux: { seccompPolicy: {} } }, "adjust.linux.seccompPolicy"],
  [{ linux: { resources: { memory: { limit: true } } } }, "expected a number without quotes, not true or false"],
  [{ linux: { resources: { memory: { swap: 0 } } } }, "takes effect in phase start, not in create"],
  [
    { linux: { resources: { memory: { disableOOMKiller: 1 } } } },
    "expected true or false, without quotes, not a number",
  ],
  [{ linux: { resources: { hugepageLimits: [{ pageSize: "2M", limit: 1 }] } } }, "a page size as the kernel names it"],
  [{ update: [{ containerId: otherId }] }, "an update with containerId and linux.resources"],
  [{ update: [{ containerId: 5, linux: { resources: {} } }] }, "expected a text in quotes"],
  [
    { update: [{ containerId: otherId, linux: { resources: { pids: { limit: 5 } } } }] },
    "a key that an update of another container can hold",
  ],
  [{ linux: nested(30) }, "values in more than 16 others"],
];

describe("a wrong adjust object", () => {
  it.each(wrong)("%j", (adjust, says) => {
    const error = errorOf({ adjust });
    expect(error).toContain(says);
    expect(error).toMatch(/^the result of "konfine" cannot be applied: "?adjust/);
  });

  it.each([
    ['{"env":{},"env":{}}', 'adjust.env "{}": expected each key once'],
    ['{"env":{},"ENV":{}}', "expected each key once"],
    ['{"env":{"A":"1","A":"2"}}', 'adjust.env.A "2": expected each key once'],
    ['{"linux":{"cgroupsPath":"/a","cgroups_path":"/b"}}', "expected each key once"],
    [
      '{"rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_CPU","soft":2,"hard":2}]}',
      "one rlimit of this type",
    ],
    ['{"linux":{"oomScoreAdj":1.0}}', "an integer from -1000"],
    ['{"linux":{"oomScoreAdj":1e2}}', "an integer from -1000"],
  ])("%s", (text, says) => {
    expect(errorOf({ adjustText: text })).toContain(says);
  });

  it("is nothing when it is null or not there", () => {
    expect(changeOf({ adjust: null }).fields).toEqual([]);
  });
});

function nested(depth: number): object {
  return depth === 0 ? {} : { resources: nested(depth - 1) };
}
