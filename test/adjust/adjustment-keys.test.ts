import { describe, expect, it } from "vitest";
import { createContainerResponse, updateContainerResponse } from "../../src/nri/codec.js";
import { messageToJson } from "../../src/nri/json.js";
import type { ContainerAdjustment, ContainerUpdate } from "../../src/nri/types.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { changeOf, contextOf, otherId, ownId } from "./adjustment-support.js";

type Resources = NonNullable<NonNullable<ContainerAdjustment["linux"]>["resources"]>;
const resources = (fields: Resources): ContainerAdjustment => ({ linux: { resources: fields } });

/** One key with its value, and the adjustment that it asks for in phase create. */
const adjustments: readonly [key: string, value: string, adjust: ContainerAdjustment][] = [
  ["annotation.example.com/zone", "a", { annotations: { "example.com/zone": "a" } }],
  ["annotation.empty", "", { annotations: { empty: "" } }],
  ["annotation.-example.com/zone", "", { annotations: { "-example.com/zone": "" } }],
  ["annotation.__proto__", "x", { annotations: Object.fromEntries([["__proto__", "x"]]) }],
  ["env.GOMAXPROCS", "2", { env: [{ key: "GOMAXPROCS", value: "2" }] }],
  ["env.EMPTY", "", { env: [{ key: "EMPTY", value: "" }] }],
  [
    "mount./data",
    "/srv/data,bind,rbind,ro",
    { mounts: [{ destination: "/data", source: "/srv/data", type: "bind", options: ["rbind", "ro"] }] },
  ],
  ["mount./tmp", "tmpfs,tmpfs", { mounts: [{ destination: "/tmp", source: "tmpfs", type: "tmpfs", options: [] }] }],
  ["mount.-/data", "", { mounts: [{ destination: "-/data" }] }],
  ["device./dev/fuse", "c:10:229", { linux: { devices: [{ path: "/dev/fuse", type: "c", major: 10n, minor: 229n }] } }],
  [
    "device./dev/fuse",
    "c:10:229:0666",
    { linux: { devices: [{ path: "/dev/fuse", type: "c", major: 10n, minor: 229n, fileMode: 0o666 }] } },
  ],
  [
    "device./dev/sda",
    "b:8:0:600:0:6",
    { linux: { devices: [{ path: "/dev/sda", type: "b", major: 8n, minor: 0n, fileMode: 0o600, uid: 0, gid: 6 }] } },
  ],
  ["rlimit.RLIMIT_NOFILE", "1024:4096", { rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024n, hard: 4096n }] }],
  [
    "rlimit.RLIMIT_CORE",
    "0:unlimited",
    { rlimits: [{ type: "RLIMIT_CORE", soft: 0n, hard: 18_446_744_073_709_551_615n }] },
  ],
  [
    "hook.createRuntime",
    '{"path":"/opt/bin/x","args":["x","-v"],"env":["A=1"],"timeout":2}',
    { hooks: { createRuntime: [{ path: "/opt/bin/x", args: ["x", "-v"], env: ["A=1"], timeout: 2n }] } },
  ],
  ["hook.prestart", '{"path":"/x"}', { hooks: { prestart: [{ path: "/x" }] } }],
  ["hook.createContainer", '{"path":"/x"}', { hooks: { createContainer: [{ path: "/x" }] } }],
  ["hook.startContainer", '{"path":"/x"}', { hooks: { startContainer: [{ path: "/x" }] } }],
  ["hook.poststart", '{"path":"/x"}', { hooks: { poststart: [{ path: "/x" }] } }],
  ["hook.poststop", '{"path":"/x"}', { hooks: { poststop: [{ path: "/x" }] } }],
  ["args", '["/bin/sh", "-c", "date"]', { args: ["/bin/sh", "-c", "date"] }],
  ["cdi.example.com/gpu=0", "", { CDIDevices: [{ name: "example.com/gpu=0" }] }],
  ["cgroupsPath", "/kubepods/pod1/c1", { linux: { cgroupsPath: "/kubepods/pod1/c1" } }],
  ["cgroupsPath", "a.slice:cri:c1", { linux: { cgroupsPath: "a.slice:cri:c1" } }],
  ["oomScoreAdj", "-1000", { linux: { oomScoreAdj: -1000n } }],
  ["oomScoreAdj", "0", { linux: { oomScoreAdj: 0n } }],
  ["sysctl.net.core.somaxconn", "1024", { linux: { sysctl: { "net.core.somaxconn": "1024" } } }],
  ["cpu.shares", "512", resources({ cpu: { shares: 512n } })],
  ["cpu.quota", "-1", resources({ cpu: { quota: -1n } })],
  ["cpu.quota", "9223372036854775807", resources({ cpu: { quota: 9_223_372_036_854_775_807n } })],
  ["cpu.period", "100000", resources({ cpu: { period: 100_000n } })],
  ["cpu.cpus", "0-3,8", resources({ cpu: { cpus: "0-3,8" } })],
  ["cpu.mems", "0", resources({ cpu: { mems: "0" } })],
  ["cpu.realtimeRuntime", "950000", resources({ cpu: { realtimeRuntime: 950_000n } })],
  ["cpu.realtimePeriod", "1000000", resources({ cpu: { realtimePeriod: 1_000_000n } })],
  ["memory.limit", "-1", resources({ memory: { limit: -1n } })],
  ["pids.limit", "256", resources({ pids: { limit: 256n } })],
  ["pids.limit", "-1", resources({ pids: { limit: -1n } })],
  ["blockioClass", "slow", resources({ blockioClass: "slow" })],
  ["rdtClass", "", resources({ rdtClass: "" })],
  [
    "hugepage.2MB",
    "18446744073709551615",
    resources({ hugepageLimits: [{ pageSize: "2MB", limit: 18_446_744_073_709_551_615n }] }),
  ],
  ["unified.memory.high", "200M", resources({ unified: { "memory.high": "200M" } })],
];

describe("a key in phase create", () => {
  it.each(adjustments)("adjust.%s = %s, which is the same on the wire", (key, value, adjust) => {
    const change = changeOf({ metadata: { [`adjust.${key}`]: value } });
    expect(change.adjust).toEqual(adjust);
    expect(change.updates).toEqual([]);
    expect(change).not.toHaveProperty("own");
    expect(change.fields).toEqual([key.replace(".-", ".")]);
    const written = createContainerResponse.decode(createContainerResponse.encode({ adjust }));
    expect(messageToJson("CreateContainerResponse", written)).toEqual(
      messageToJson("CreateContainerResponse", { adjust }),
    );
  });

  it("is not there when nothing is asked for", () => {
    const change = changeOf({ metadata: { result: "fine", adjusted: "yes" } });
    expect(change).toMatchObject({ updates: [], fields: [], settings: [], notes: [] });
    expect(change).not.toHaveProperty("adjust");
  });
});

/** One key with its value, and what it writes to the real cgroup in phase start. */
const written: readonly [key: string, value: string, own: LinuxResources, cgroup?: 1 | 2][] = [
  ["cpu.shares", "512", { cpu: { shares: 512n } }],
  ["cpu.quota", "-1", { cpu: { quota: -1n } }],
  ["cpu.cpus", "0-3", { cpu: { cpus: "0-3" } }],
  ["cpu.mems", "1", { cpu: { mems: "1" } }],
  ["cpu.realtimeRuntime", "-1", { cpu: { realtimeRuntime: -1n } }, 1],
  ["memory.limit", "1048576", { memory: { limit: 1_048_576n } }],
  ["memory.reservation", "0", { memory: { reservation: 0n } }],
  ["memory.swap", "-1", { memory: { swap: -1n } }],
  ["memory.kernel", "1", { memory: { kernel: 1n } }, 1],
  ["memory.kernelTCP", "1", { memory: { kernelTCP: 1n } }, 1],
  ["memory.swappiness", "100", { memory: { swappiness: 100n } }, 1],
  ["memory.disableOOMKiller", "true", { memory: { disableOOMKiller: true } }, 1],
  ["memory.useHierarchy", "false", { memory: { useHierarchy: false } }, 1],
  ["pids.limit", "10", { pids: { limit: 10n } }],
  ["hugepage.1GB", "0", { hugepageLimits: [{ pageSize: "1GB", limit: 0n }] }],
  ["hugepage.512KB", "0", { hugepageLimits: [{ pageSize: "512KB", limit: 0n }] }],
  ["unified.cpu.max", "max", { unified: { "cpu.max": "max" } }, 2],
];

describe("a key in phase start", () => {
  it.each(written)("adjust.%s = %s is written to the container's cgroup", (key, value, own, cgroup) => {
    const context = contextOf({ phase: "start", cgroupVersion: cgroup ?? 2, nriVersion: "0.2.0" });
    const change = changeOf({ metadata: { [`adjust.${key}`]: value } }, context);
    expect(change.own).toStrictEqual(own);
    expect(change).not.toHaveProperty("adjust");
    expect(change.updates).toEqual([]);
  });
});

describe("an update", () => {
  it("of the container itself is the answer to UpdateContainer", () => {
    const metadata = { "adjust.cpu.shares": "512", "adjust.memory.limit": "-1", "adjust.hugepage.2MB": "0" };
    const { updates, ...change } = changeOf({ metadata }, contextOf({ phase: "update" }));
    const resources = {
      cpu: { shares: 512n },
      memory: { limit: -1n },
      hugepageLimits: [{ pageSize: "2MB", limit: 0n }],
    };
    expect(updates).toEqual([{ containerId: ownId, linux: { resources } }]);
    expect(change).not.toHaveProperty("adjust");
    expect(change).not.toHaveProperty("own");
    expect(roundTrip(updates)).toMatchObject([{ containerId: ownId, linux: { resources } }]);
  });

  it.each(["create", "update", "delete"] as const)("of another container rides along in phase %s", (phase) => {
    const metadata = {
      [`adjust.update.${otherId}.cpu.shares`]: "512",
      [`adjust.update.${otherId}.cpu.quota`]: "50000",
      [`adjust.update.${otherId}.cpu.period`]: "100000",
      [`adjust.update.${otherId}.cpu.cpus`]: "4-7",
      [`adjust.update.${otherId}.cpu.mems`]: "0-1",
      [`adjust.update.${otherId}.memory.limit`]: "1024",
      [`adjust.update.${otherId}.unified.cpu.weight`]: "50",
      "adjust.update.dead.hugepage.2MB": "0",
    };
    const change = changeOf({ metadata }, contextOf({ phase, cgroupVersion: 2 }));
    const expected = [
      {
        containerId: otherId,
        linux: {
          resources: {
            cpu: { shares: 512n, quota: 50_000n, period: 100_000n, cpus: "4-7", mems: "0-1" },
            memory: { limit: 1024n },
            unified: { "cpu.weight": "50" },
          },
        },
        ignoreFailure: true,
      },
      {
        containerId: "dead",
        linux: { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 0n }] } },
        ignoreFailure: true,
      },
    ];
    expect(change.updates).toEqual(expected);
    expect(roundTrip(change.updates)).toMatchObject(expected);
    expect(change).not.toHaveProperty("adjust");
  });
});

function roundTrip(updates: readonly ContainerUpdate[]): readonly ContainerUpdate[] {
  return updateContainerResponse.decode(updateContainerResponse.encode({ update: [...updates] })).update;
}
