import { describe, expect, it } from "vitest";
import { settable } from "../../src/adjust/fields.js";
import { type AdjustmentContext, parseAdjustment } from "../../src/adjust/from-v01.js";
import { createContainerResponse } from "../../src/nri/codec.js";
import { fieldsOf, messageToJson } from "../../src/nri/json.js";
import { parseResultExtensions } from "../../src/v01/result-extensions.js";
import { type Answer, changeOf, contextOf, errorOf, otherId, ownId, stdoutOf, version } from "./adjustment-support.js";

/** NRI's own messages, and the metadata keys that ask for the same. */
const same: readonly [answer: Answer, metadata: Record<string, string>][] = [
  [{ adjust: { annotations: { a: "b", "-c": "" } } }, { "annotation.a": "b", "annotation.-c": "" }],
  [{ adjust: { env: [{ key: "A", value: "1" }, { key: "E" }] } }, { "env.A": "1", "env.E": "" }],
  [
    {
      adjust: {
        mounts: [{ destination: "/d", type: "bind", source: "/s", options: ["rbind"] }, { destination: "-/e" }],
      },
    },
    { "mount./d": "/s,bind,rbind", "mount.-/e": "" },
  ],
  [
    { adjust: { hooks: { poststop: [{ path: "/x", args: ["x"], env: ["A=1"], timeout: 3 }] } } },
    { "hook.poststop": '{"path":"/x","args":["x"],"env":["A=1"],"timeout":{"value":"3"}}' },
  ],
  [
    { adjust: { rlimits: [{ type: "RLIMIT_CORE", hard: "18446744073709551615" }] } },
    { "rlimit.RLIMIT_CORE": "0:unlimited" },
  ],
  [{ adjust: { args: ["/bin/x", ""] } }, { args: '["/bin/x",""]' }],
  [{ adjust: { CDI_devices: [{ name: "a.com/b=c" }], rlimits: [] } }, { "cdi.a.com/b=c": "" }],
  [
    {
      adjust: {
        linux: { devices: [{ path: "/dev/x", type: "c", major: 1, minor: "2", file_mode: { value: 438 }, uid: 3 }] },
      },
    },
    { "device./dev/x": "c:1:2:666:3" },
  ],
  [
    { adjust: { linux: { cgroups_path: "/c", oomScoreAdj: { value: -1 }, sysctl: { "a.b": "c" } } } },
    { cgroupsPath: "/c", oomScoreAdj: "-1", "sysctl.a.b": "c" },
  ],
  [
    {
      adjust: {
        linux: { resources: { cpu: { shares: { value: "2" }, quota: -1, period: 1000, cpus: "0", mems: "" } } },
      },
    },
    { "cpu.shares": "2", "cpu.quota": "-1", "cpu.period": "1000", "cpu.cpus": "0" },
  ],
  [
    { adjust: { linux: { resources: { memory: { limit: 5 }, pids: { limit: 6 }, unified: { "a.b": "c" } } } } },
    { "memory.limit": "5", "pids.limit": "6", "unified.a.b": "c" },
  ],
  [
    { adjust: { linux: { resources: { hugepageLimits: [{ pageSize: "2MB" }], blockioClass: "x", rdtClass: {} } } } },
    { "hugepage.2MB": "0", blockioClass: "x", rdtClass: "" },
  ],
  [
    { update: [{ container_id: otherId, linux: { resources: { cpu: { shares: 5 }, unified: { "a.b": "c" } } } }] },
    { [`update.${otherId}.cpu.shares`]: "5", [`update.${otherId}.unified.a.b`]: "c" },
  ],
  [{ adjust: {}, update: [], evict: null }, {}],
  [
    {
      adjust: {
        annotations: null,
        args: [],
        linux: { cgroupsPath: "", resources: { pids: { limit: 0 } }, rdt: { remove: false } },
      },
    },
    {},
  ],
];

describe("NRI's own messages", () => {
  it.each(same)("%j ask for what the keys ask for", (answer, keys) => {
    const metadata = Object.fromEntries(Object.entries(keys).map(([key, value]) => [`adjust.${key}`, value]));
    const [byMessage, byKeys] = [changeOf(answer), changeOf({ metadata })];
    const json = ({ adjust, updates }: typeof byKeys) =>
      messageToJson("CreateContainerResponse", { adjust, update: updates });
    expect(json(byMessage)).toEqual(json(byKeys));
    expect(byMessage.fields).toEqual(byKeys.fields);
  });

  it("hold 64-bit numbers exactly, as numbers and as texts", () => {
    for (const limit of ["18446744073709551615", '"18446744073709551615"']) {
      const text = `"adjust":{"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":${limit}}]}}}`;
      expect(changeOf({ text }).adjust?.linux?.resources?.hugepageLimits?.[0]?.limit).toBe(2n ** 64n - 1n);
    }
  });

  it("update another container without ignoring a failure when they say so", () => {
    const linux = { resources: { cpu: { quota: 1000 } } };
    const flags = [undefined, true, false].map((ignoreFailure) => {
      const { updates } = changeOf({ update: [{ containerId: otherId, linux, ignoreFailure }] });
      return updates[0]?.ignoreFailure;
    });
    expect(flags).toEqual([true, true, false]);
  });

  it("write the fields of phase start to the container's cgroup", () => {
    const memory = {
      ...{ limit: 9, reservation: 1, swap: 2, kernel: 3, kernelTcp: 4, swappiness: 5 },
      ...{ disableOomKiller: true, useHierarchy: { value: false } },
    };
    const context = contextOf({ phase: "start", cgroupVersion: 1 });
    expect(changeOf({ adjust: { linux: { resources: { memory } } } }, context).own?.memory).toEqual({
      ...{ limit: 9n, reservation: 1n, swap: 2n, kernel: 3n, kernelTCP: 4n, swappiness: 5n },
      ...{ disableOOMKiller: true, useHierarchy: false },
    });
  });
});

/** Those fields of NRI 0.12 that have no metadata key: what is asked for in protobuf's JSON, and comes out so again. */
const alone: readonly [since: string, linux: object][] = [
  ["0.10", { ioPriority: { class: "IOPRIO_CLASS_RT", priority: 4 } }],
  ["0.10", { ioPriority: {} }],
  [
    "0.10",
    {
      seccompPolicy: {
        ...{ defaultAction: "SCMP_ACT_ERRNO", architectures: ["SCMP_ARCH_X86_64"], flags: ["SECCOMP_FILTER_FLAG_LOG"] },
        ...{ listenerPath: "/run/s", listenerMetadata: "m" },
        syscalls: [
          {
            ...{ names: ["read", "write"], action: "SCMP_ACT_ALLOW", errnoRet: { value: 5 } },
            args: [{ index: 1, value: "18446744073709551615", valueTwo: "2", op: "SCMP_CMP_EQ" }],
          },
        ],
      },
    },
  ],
  ["0.10", { namespaces: [{ type: "network", path: "/run/netns/a" }, { type: "-ipc" }] }],
  [
    "0.10",
    {
      resources: {
        devices: [{ allow: true, type: "c", major: { value: "10" }, minor: { value: "229" }, access: "rw" }],
      },
    },
  ],
  ["0.11", { netDevices: { eth1: { name: "eth0" }, "-eth2": {} } }],
  [
    "0.11",
    {
      scheduler: {
        ...{ policy: "SCHED_DEADLINE", nice: -5, priority: 3, runtime: "1", deadline: "2", period: "3" },
        flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"],
      },
    },
  ],
  ["0.11", { rdt: { closId: { value: "gold" }, schemata: { value: ["L3:0=f"] }, enableMonitoring: {}, remove: true } }],
  ["0.12", { memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: ["MPOL_F_STATIC_NODES"] } }],
];

describe("a field that only NRI's messages have", () => {
  it.each(alone)("since NRI %s: %j is on the wire as it was asked for", (since, linux) => {
    const { adjust } = changeOf({ adjust: { linux } });
    const wire = createContainerResponse.decode(createContainerResponse.encode({ adjust }));
    expect(messageToJson("CreateContainerResponse", wire)).toEqual({ adjust: { linux } });
    const older = contextOf({ nriVersion: `0.${Number(since.slice(2)) - 1}.9` });
    expect(errorOf({ adjust: { linux } }, older)).toContain(`needs NRI ${since}, and this runtime speaks`);
    for (const phase of ["start", "update"] as const) {
      expect(errorOf({ adjust: { linux } }, contextOf({ phase }))).toContain("takes effect in phase create, not in");
    }
    expect(changeOf({ adjust: { linux } }, contextOf({ phase: "delete" })).fields).toEqual([]);
  });

  it("evict is refused where NRI loses it, and sent to a later one", () => {
    const evict = [{ containerId: otherId, reason: "noisy" }];
    const says = "NRI collects no evictions from the answers of plugins (0.2 to 0.12); delete the pod";
    expect(errorOf({ evict })).toContain(says);
    expect(errorOf({ evict }, contextOf({ phase: "start" }))).toContain("takes effect in phase create or update");
    for (const phase of ["create", "update"] as const) {
      const change = changeOf({ evict }, contextOf({ phase, nriVersion: "0.13.0" }));
      expect(change.evict).toEqual(evict);
      expect(change.notes).toEqual([{ level: "warn", text: expect.stringContaining("it is sent") }]);
    }
  });

  it("is one that the tables name: each field of the schema is set by itself, or belongs to one that is", () => {
    const leaves = (message: string): string[] =>
      Object.entries(fieldsOf(message)).flatMap(([name, [, , , kind, type]]) => {
        const isSet = settable.some((field) => field.message === message && field.name === name);
        return isSet || kind !== "message" ? [`${message}.${name} ${isSet}`] : leaves(type);
      });
    expect(leaves("ContainerAdjustment").filter((leaf) => leaf.endsWith("false"))).toEqual([]);
  });
});

const bytes = new Uint8Array(4 * 1024 * 1024).fill(120);
const newest = contextOf();
const old = contextOf({ nriVersion: "0.6.1", runtime: { name: "containerd", version: version("1.7.24") } });
const mount = { destination: "/d", type: "tmpfs", source: "t" };
const many = Array.from({ length: 6_000 }, (_, at) => at);
const linuxOf = (resources: object) => ({ adjust: { linux: { resources } } });

/** What a plugin asks for in vain, and the error: its path, what was expected, and the remedy. */
const wrong: readonly [answer: Answer, says: string | readonly string[], context?: AdjustmentContext][] = [
  [{ adjust: 5 }, '"adjust" must be an object, not 5'],
  [{ adjust: [] }, '"adjust" must be an object, not []'],
  [{ update: {} }, '"update" must be a list, not {}'],
  [{ evict: "all" }, '"evict" must be a list, not "all"'],
  [
    { adjust: { annotation: {} } },
    'adjust.annotation "{}": expected one of annotations, mounts, env, hooks, linux, rlimits, CDIDevices, args; did you mean annotations?',
  ],
  [{ adjust: { Env: [] } }, "did you mean env?"],
  [{ adjust: { annotations: { a: 1 } } }, 'adjust.annotations.a "1": expected a text in quotes, not a number'],
  [{ adjust: { env: { A: "1" } } }, 'adjust.env "{\\"A\\":\\"1\\"}": expected a list, not an object'],
  [{ adjust: { env: [{ value: "1" }] } }, "adjust.env[0]"],
  [{ adjust: { env: [{ key: "-A" }] } }, "NRI does not hand the removal"],
  [{ adjust: { mounts: [null] } }, 'adjust.mounts[0] "null": expected an object, not null'],
  [{ adjust: { mounts: [{ type: "tmpfs", source: "/s" }] } }, "expected an object with a destination"],
  [{ adjust: { mounts: [{ destination: "/d", type: "bind" }] } }, 'adjust.mounts[0].source "null": expected a value'],
  [
    { adjust: { mounts: [{ ...mount, opts: [] }] } },
    'adjust.mounts[0].opts "[]": expected one of destination, type, source, options',
  ],
  [{ adjust: { mounts: [mount, { destination: "-/d" }] } }, ["adjust.mounts[1]", "each destination once"]],
  [{ adjust: { mounts: [{ ...mount, source: "" }] } }, "adjust.mounts[0].source"],
  [{ adjust: { mounts: [{ destination: "-/d" }] } }, "needs NRI 0.7", old],
  [
    { adjust: { hooks: { prestart: [{ path: "x" }] } } },
    'adjust.hooks.prestart[0].path "x": expected an absolute path',
  ],
  [{ adjust: { hooks: { postStops: [] } } }, "did you mean poststop?"],
  [{ adjust: { rlimits: [{ type: "RLIMIT_CORE", soft: -1 }] } }, "adjust.rlimits[0].soft"],
  [{ adjust: { rlimits: [{ type: "-RLIMIT_CORE" }] } }, "did you mean RLIMIT_CORE?"],
  [{ adjust: { args: [""] } }, "with the program first"],
  [{ adjust: { CDIDevices: [{ name: "gpu" }] } }, "a CDI device's full name"],
  [
    { adjust: { linux: { devices: [{ path: "/dev/x", type: "c", major: 1.5 }] } } },
    'devices[0].major "1.5": expected an integer',
  ],
  [{ adjust: { linux: { devices: [{ path: "-/dev/x" }] } } }, "take the device out of the pod"],
  [{ adjust: { linux: { oomScoreAdj: { values: 5 } } } }, 'adjust.linux.oomScoreAdj.values "5": expected value alone'],
  [
    { adjust: { linux: { ioPriority: { class: "RT" } } } },
    ["adjust.linux.ioPriority.class", "expected one of IOPRIO_CLASS_NONE", "; "],
  ],
  [{ adjust: { linux: { ioPriority: { class: 1 } } } }, "write its name"],
  [{ adjust: { linux: { scheduler: { policy: "SCHED_FIFA" } } } }, "did you mean SCHED_FIFO?"],
  [{ adjust: { linux: { scheduler: { flags: ["SCHED_FLAG_RECLAIN"] } } } }, 'scheduler.flags[0] "SCHED_FLAG_RECLAIN"'],
  [{ adjust: { linux: { memoryPolicy: { mode: "MPOL_BIND", nodes: "all" } } } }, "a list as the kernel writes it"],
  [
    { adjust: { linux: { memoryPolicy: {} } } },
    ["needs NRI 0.12, and this runtime speaks 0.6.1", "update the runtime to containerd 2.3.0 or cri-o 1.37.0"],
    old,
  ],
  [{ adjust: { linux: { namespaces: [{ type: "net" }] } } }, "expected one of network, pid"],
  [{ adjust: { linux: { rdt: { schemata: "L3:0=f" } } } }, "expected a list, not a text"],
  [{ adjust: { linux: { seccompPolicy: {} } } }, "adjust.linux.seccompPolicy.defaultAction"],
  [
    { adjust: { linux: { seccompPolicy: { defaultAction: "SCMP_ACT_ERRNO", defaultErrno: 5 } } } },
    "OCI generator drops it in silence (0.10 to 0.12); name the system calls",
  ],
  [linuxOf({ memory: { limit: true } }), "not true or false"],
  [linuxOf({ memory: { kernelTCP: 1 } }), "did you mean kernelTcp?"],
  [linuxOf({ memory: { swap: 5 } }), "takes effect in phase start, not in create"],
  [
    linuxOf({ memory: { disableOomKiller: 1 } }),
    "expected true or false, without quotes, not a number",
    contextOf({ phase: "start" }),
  ],
  [linuxOf({ hugepageLimits: [{ pageSize: "2M", limit: 1 }] }), "a page size as the kernel names it"],
  [linuxOf({ devices: [{ allow: true, access: "rwm" }] }), "needs NRI 0.10", old],
  [{ update: [{ containerId: 5, linux: {} }] }, "an update with the containerId of a container"],
  [{ update: [{ containerId: ownId, linux: { resources: { cpu: { shares: 5 } } } }] }, "NRI refuses the update"],
  ...["memory.swap", "memory.reservation", "pids.limit", "blockioClass", "rdtClass"].map(
    (path): [Answer, readonly string[]] => {
      const [group = "", name] = path.split(".");
      const resources = { [group]: name === undefined ? "x" : { [name]: 5 } };
      return [
        { update: [{ containerId: otherId, linux: { resources } }] },
        [`update[0].linux.resources.${path}`, `runtimes drop ${path}`],
      ];
    },
  ),
  [{ text: '"adjust":{"env":[],"env":[]}' }, 'adjust.env "[]": expected each key once'],
  [{ text: '"adjust":{"linux":{"cgroupsPath":"/a","cgroups_path":"/b"}}' }, "expected each key once"],
  [{ text: '"adjust":{"annotations":{"a":"1","a":"2"}}' }, 'adjust.annotations.a "2": expected each key once'],
  [{ text: '"adjust":{"linux":{"oomScoreAdj":1e2}}' }, "an integer from -1000"],
  [{ text: `"adjust":${'{"linux":'.repeat(9_000)}{}${"}".repeat(9_000)}` }, "values in more than 16 others"],
  [
    { text: `"adjust":{"annotations":{"a":"${"x".repeat(4_190_000)}"}}` },
    "bytes of annotations: expected at most 262144",
  ],
  [{ adjust: { env: many.map((at) => ({ key: `K${at % 3000}`, value: "" })) } }, "each key once"],
  [{ adjust: { mounts: many.map(() => 5) } }, ["adjust.mounts[4]", "the rest was not read"]],
];

/** How long a look at each of 4 MiB of bytes takes: 3 to 4 ms on the machine of docs/benchmark.md. */
const floorMs = leastOf(() => bytes.reduce((sum, byte) => sum ^ byte, 0));

function leastOf(work: () => unknown): number {
  const times = Array.from({ length: 4 }, () => {
    const began = process.cpuUsage();
    work();
    return process.cpuUsage(began).user / 1000;
  });
  return Math.min(...times);
}

describe("a wrong message", () => {
  it.each(
    wrong.map(([answer, says, context]) => [JSON.stringify(answer).slice(0, 80), answer, says, context] as const),
  )("%s is an error within 50 ms, and nothing of the result is applied", (_, answer, says, context = newest) => {
    const metadata = { "adjust.annotation.fine": "1" };
    const stdout = stdoutOf({ metadata, ...answer });
    const parse = () => parseAdjustment({ metadata }, parseResultExtensions(stdout), context);
    const parsed = parse();
    if (parsed.ok) expect.fail(`a change: ${parsed.change.fields.join(", ")}`);
    for (const part of [says].flat()) expect(parsed.error).toContain(part);
    expect(parsed.error.length).toBeLessThan(2_000);
    expect(leastOf(parse) / floorMs).toBeLessThan(15);
  });
});
