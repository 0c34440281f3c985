import { describe, expect, it } from "vitest";
import { settable } from "../../src/adjust/fields.js";
import type { Change } from "../../src/adjust/from-v01.js";
import { createContainerResponse, updateContainerResponse } from "../../src/nri/codec.js";
import { fieldsOf, messageToJson } from "../../src/nri/json.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { changeOf, contextOf, errorOf, otherId, ownId } from "./adjustment-support.js";

/** What a change is on the wire, in protobuf's own JSON. */
function jsonOf({ adjust, updates }: Change) {
  const wire = createContainerResponse.encode({ adjust, update: updates });
  return messageToJson("CreateContainerResponse", createContainerResponse.decode(wire));
}

const resources = (fields: object) => ({ linux: { resources: fields } });
const cpu = (fields: object) => resources({ cpu: fields });
const device = { path: "/dev/x", type: "c", major: "10", minor: "229" };
const hook = { path: "/opt/bin/x", args: ["x"], env: ["A=1"], timeout: { value: "2" } };

/** An adjustment in protobuf's own JSON, and the metadata key that asks for the same. */
const adjustments: readonly [adjust: object, key: string, value: string][] = [
  [{ annotations: { "example.com/zone": "a" } }, "annotation.example.com/zone", "a"],
  [{ annotations: { empty: "" } }, "annotation.empty", ""],
  [{ annotations: { "-example.com/zone": "" } }, "annotation.-example.com/zone", ""],
  [{ annotations: Object.fromEntries([["__proto__", "x"]]) }, "annotation.__proto__", "x"],
  [{ env: [{ key: "A", value: "2" }] }, "env.A", "2"],
  [{ env: [{ key: "EMPTY" }] }, "env.EMPTY", ""],
  [
    { mounts: [{ destination: "/d", type: "bind", source: "/s", options: ["rbind", "ro"] }] },
    "mount./d",
    "/s,bind,rbind,ro",
  ],
  [{ mounts: [{ destination: "/tmp", type: "tmpfs", source: "tmpfs" }] }, "mount./tmp", "tmpfs,tmpfs"],
  [{ mounts: [{ destination: "-/d" }] }, "mount.-/d", ""],
  [{ linux: { devices: [device] } }, "device./dev/x", "c:10:229"],
  [
    { linux: { devices: [{ ...device, fileMode: { value: 438 }, uid: {}, gid: { value: 6 } }] } },
    "device./dev/x",
    "c:10:229:0666:0:6",
  ],
  [{ rlimits: [{ type: "RLIMIT_NOFILE", soft: "1024", hard: "4096" }] }, "rlimit.RLIMIT_NOFILE", "1024:4096"],
  [{ rlimits: [{ type: "RLIMIT_CORE", hard: "18446744073709551615" }] }, "rlimit.RLIMIT_CORE", "0:unlimited"],
  ...["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"].map(
    (stage): [object, string, string] => [{ hooks: { [stage]: [hook] } }, `hook.${stage}`, JSON.stringify(hook)],
  ),
  [{ args: ["/bin/sh", "-c", ""] }, "args", '["/bin/sh", "-c", ""]'],
  [{ CDIDevices: [{ name: "example.com/gpu=0" }] }, "cdi.example.com/gpu=0", ""],
  [{ linux: { cgroupsPath: "/kubepods/pod1/c1" } }, "cgroupsPath", "/kubepods/pod1/c1"],
  [{ linux: { oomScoreAdj: { value: "-1000" } } }, "oomScoreAdj", "-1000"],
  [{ linux: { oomScoreAdj: {} } }, "oomScoreAdj", "0"],
  [{ linux: { sysctl: { "net.core.somaxconn": "1024" } } }, "sysctl.net.core.somaxconn", "1024"],
  [{ linux: { rdt: { closId: { value: "gold" } } } }, "rdt.closId", "gold"],
  [{ linux: { rdt: { enableMonitoring: {} } } }, "rdt.enableMonitoring", "false"],
  [{ linux: { rdt: { remove: true } } }, "rdt.remove", "true"],
  [cpu({ shares: { value: "512" } }), "cpu.shares", "512"],
  [cpu({ quota: { value: "-1" } }), "cpu.quota", "-1"],
  [cpu({ quota: { value: "9223372036854775807" } }), "cpu.quota", "9223372036854775807"],
  [cpu({ period: { value: "100000" } }), "cpu.period", "100000"],
  [cpu({ cpus: "0-3,8" }), "cpu.cpus", "0-3,8"],
  [cpu({ mems: "0" }), "cpu.mems", "0"],
  [cpu({ realtimeRuntime: { value: "950000" } }), "cpu.realtimeRuntime", "950000"],
  [cpu({ realtimePeriod: { value: "1000000" } }), "cpu.realtimePeriod", "1000000"],
  [resources({ memory: { limit: { value: "-1" } } }), "memory.limit", "-1"],
  [resources({ pids: { limit: "-1" } }), "pids.limit", "-1"],
  [resources({ blockioClass: { value: "slow" } }), "blockioClass", "slow"],
  [resources({ rdtClass: {} }), "rdtClass", ""],
  [
    resources({ hugepageLimits: [{ pageSize: "2MB", limit: "18446744073709551615" }] }),
    "hugepage.2MB",
    "18446744073709551615",
  ],
  [resources({ unified: { "memory.high": "200M" } }), "unified.memory.high", "200M"],
];

describe("a field in phase create", () => {
  it.each(adjustments)("%j is what adjust.%s = %s asks for", (adjust, key, value) => {
    const [byKey, byMessage] = [changeOf({ metadata: { [`adjust.${key}`]: value } }), changeOf({ adjust })];
    expect(jsonOf(byKey)).toEqual({ adjust });
    expect(jsonOf(byMessage)).toEqual({ adjust });
    for (const { fields, updates, own } of [byKey, byMessage]) {
      expect([fields, updates, own]).toEqual([[key.replace(".-", ".")], [], undefined]);
    }
  });

  it.each<[adjust: object, same: object]>([
    [{ CDI_devices: [{ name: "a.com/b=c" }], rlimits: [] }, { CDIDevices: [{ name: "a.com/b=c" }] }],
    [
      { linux: { cgroups_path: "/c", oom_score_adj: 5 } },
      { linux: { cgroupsPath: "/c", oomScoreAdj: { value: "5" } } },
    ],
    [
      { linux: { devices: [{ ...device, major: 10, file_mode: 438 }] } },
      { linux: { devices: [{ ...device, fileMode: { value: 438 } }] } },
    ],
    [
      cpu({ quota: -1, shares: { value: 2 }, cpus: "", mems: null }),
      cpu({ quota: { value: "-1" }, shares: { value: "2" } }),
    ],
    [
      {
        annotations: null,
        args: [],
        linux: { cgroupsPath: "", resources: { pids: { limit: 0 } }, rdt: { remove: false } },
      },
      {},
    ],
  ])("%j is the same as %j: other spellings, and zeros", (adjust, same) => {
    expect(jsonOf(changeOf({ adjust }))).toEqual(Object.keys(same).length === 0 ? {} : { adjust: same });
  });

  it("keeps 64-bit numbers that JavaScript has none for", () => {
    const text =
      '"adjust":{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}]}}}';
    expect(changeOf({ text }).adjust?.linux?.resources?.hugepageLimits?.[0]?.limit).toBe(2n ** 64n - 1n);
  });

  it("is not there when nothing is asked for", () => {
    const change = changeOf({ metadata: { result: "fine", adjusted: "yes" }, adjust: {}, update: [], evict: null });
    expect(change).toEqual({ plugin: "konfine", updates: [], fields: [], settings: [], notes: [], bytes: 0 });
  });
});

const seccomp = {
  ...{ defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64"], flags: ["SECCOMP_FILTER_FLAG_LOG"] },
  ...{ listenerPath: "/run/s", listenerMetadata: "m" },
};
const seccompArgs = [{ index: 1, value: "18446744073709551615", valueTwo: "2", op: "SCMP_CMP_EQ" }];
const syscalls = [{ names: ["read"], action: "SCMP_ACT_ALLOW", errnoRet: { value: 5 }, args: seccompArgs }];
const rule = { allow: true, type: "c", major: { value: "10" }, minor: { value: "229" }, access: "rw" };
const deadline = { policy: "SCHED_DEADLINE", nice: -5, priority: 3, runtime: "1", deadline: "2", period: "3" };

/** Those fields of NRI 0.12 that have no metadata key. */
const alone: readonly [since: string, linux: object][] = [
  ["0.10", { ioPriority: { class: "IOPRIO_CLASS_RT", priority: 4 } }],
  ["0.10", { ioPriority: {} }],
  ["0.10", { seccompPolicy: { ...seccomp, syscalls } }],
  ["0.10", { namespaces: [{ type: "network", path: "/run/netns/a" }, { type: "-ipc" }] }],
  ["0.10", { resources: { devices: [rule] } }],
  ["0.11", { netDevices: { eth1: { name: "eth0" }, "-eth2": {} } }],
  ["0.11", { scheduler: { ...deadline, flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"] } }],
  ["0.11", { rdt: { schemata: { value: ["L3:0=f"] } } }],
  ["0.12", { memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] } }],
];

describe("a field that only NRI's messages have", () => {
  it.each(alone)("since NRI %s: %j is on the wire as it was asked for", (since, linux) => {
    const adjust = { linux };
    expect(jsonOf(changeOf({ adjust }))).toEqual({ adjust });
    const older = contextOf({ nriVersion: `0.${Number(since.slice(2)) - 1}.9` });
    expect(errorOf({ adjust }, older)).toContain(`needs NRI ${since}, and this runtime speaks`);
    for (const phase of ["start", "update"] as const) {
      expect(errorOf({ adjust }, contextOf({ phase }))).toContain("takes effect in phase create, not in");
    }
    expect(changeOf({ adjust }, contextOf({ phase: "delete" })).fields).toEqual([]);
  });

  it("evict is refused where NRI loses it, and sent to a later one", () => {
    const evict = [{ containerId: otherId, reason: "noisy" }];
    expect(errorOf({ evict })).toContain("NRI collects no evictions from the answers of plugins (0.2 to 0.12); delete");
    expect(errorOf({ evict }, contextOf({ phase: "start" }))).toContain("takes effect in phase create or update");
    for (const phase of ["create", "update"] as const) {
      const change = changeOf({ evict }, contextOf({ phase, nriVersion: "0.13.0" }));
      expect(change.evict).toEqual(evict);
      expect(change.notes).toEqual([{ level: "warn", text: expect.stringContaining("the bridge sends it, as") }]);
    }
  });

  it("is one that the tables name: each of the schema is set by itself, or belongs to one that is", () => {
    const unknownIn = (message: string): string[] =>
      Object.entries(fieldsOf(message)).flatMap(([name, [, , , kind, type]]) => {
        if (settable.some((field) => field.message === message && field.name === name)) return [];
        return kind === "message" ? unknownIn(type) : [`${message}.${name}`];
      });
    expect(unknownIn("ContainerAdjustment")).toEqual([]);
  });
});

/** One key with its value, and what it writes to the real cgroup in phase start. */
const written: readonly [key: string, value: string, own: LinuxResources, cgroup?: 1 | 2][] = [
  ["cpu.cpus", "0-3", { cpu: { cpus: "0-3" } }],
  ["cpu.realtimeRuntime", "-1", { cpu: { realtimeRuntime: -1n } }, 1],
  ["memory.reservation", "0", { memory: { reservation: 0n } }],
  ["memory.kernelTCP", "1", { memory: { kernelTCP: 1n } }, 1],
  ["memory.disableOOMKiller", "true", { memory: { disableOOMKiller: true } }, 1],
  ["memory.useHierarchy", "false", { memory: { useHierarchy: false } }, 1],
  ["pids.limit", "10", { pids: { limit: 10n } }],
  ["hugepage.1GB", "0", { hugepageLimits: [{ pageSize: "1GB", limit: 0n }] }],
  ["unified.cpu.max", "max", { unified: { "cpu.max": "max" } }, 2],
];

describe("a key in phase start", () => {
  it.each(written)("adjust.%s = %s is written to the container's cgroup", (key, value, own, cgroup) => {
    const context = contextOf({ phase: "start", cgroupVersion: cgroup ?? 2, nriVersion: "0.2.0" });
    const change = changeOf({ metadata: { [`adjust.${key}`]: value } }, context);
    expect(change.own).toStrictEqual(own);
    expect(change).not.toHaveProperty("adjust");
  });
});

describe("an update", () => {
  const linux = {
    resources: {
      ...{ cpu: { shares: { value: "512" }, cpus: "4-7" }, memory: { limit: { value: "-1" } } },
      ...{ hugepageLimits: [{ pageSize: "2MB", limit: "5" }], unified: { "cpu.weight": "50" } },
    },
  };
  const keys = {
    "cpu.shares": "512",
    "cpu.cpus": "4-7",
    "memory.limit": "-1",
    "hugepage.2MB": "5",
    "unified.cpu.weight": "50",
  };
  const metadataOf = (prefix: string) =>
    Object.fromEntries(Object.entries(keys).map(([key, value]) => [`adjust.${prefix}${key}`, value]));
  const wire = ({ updates }: Change) =>
    messageToJson(
      "UpdateContainerResponse",
      updateContainerResponse.decode(updateContainerResponse.encode({ update: updates })),
    );

  it("of the container itself is the answer to UpdateContainer", () => {
    for (const answer of [{ metadata: metadataOf("") }, { adjust: { linux } }]) {
      const change = changeOf(answer, contextOf({ phase: "update" }));
      expect(wire(change)).toEqual({ update: [{ containerId: ownId, linux }] });
      expect([change.adjust, change.own]).toEqual([undefined, undefined]);
    }
  });

  it.each(["create", "update", "delete"] as const)("of other containers rides along in phase %s", (phase) => {
    const dead = { "adjust.update.dead.cpu.shares": "5" };
    const deadUpdate = { containerId: "dead", linux: cpu({ shares: { value: "5" } }).linux };
    const context = contextOf({ phase, cgroupVersion: 2 });
    for (const answer of [
      { metadata: { ...metadataOf(`update.${otherId}.`), ...dead } },
      { update: [{ container_id: otherId, linux }, deadUpdate] },
    ]) {
      const update = [{ containerId: otherId, linux }, deadUpdate].map((one) => ({ ...one, ignoreFailure: true }));
      expect(wire(changeOf(answer, context))).toEqual({ update });
    }
  });

  it("ignores no failure when the plugin says so", () => {
    const flags = [undefined, true, false].map((ignoreFailure) => {
      const { updates } = changeOf({ update: [{ containerId: otherId, linux, ignoreFailure }] });
      return updates[0]?.ignoreFailure;
    });
    expect(flags).toEqual([true, true, false]);
  });
});
