import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bench } from "./support.js";

/**
 * One case for each line of the table of adjust keys: what a plugin prints as metadata, and ContainerAdjustment of NRI's
 * schema in protobuf's JSON form, as the answer to CreateContainer on the newest NRI.
 */
const other = "ffc0ffee";
const resources = (fields: object) => ({ adjust: { linux: { resources: fields } } });
const update = (fields: object) => ({
  update: [{ containerId: other, linux: { resources: fields }, ignoreFailure: true }],
});

const creates: readonly [key: string, value: string, answer: object][] = [
  ["annotation.example.com/zone", "a", { adjust: { annotations: { "example.com/zone": "a" } } }],
  ["annotation.-example.com/ctr-note", "", { adjust: { annotations: { "-example.com/ctr-note": "" } } }],
  ["env.GOMAXPROCS", "2", { adjust: { env: [{ key: "GOMAXPROCS", value: "2" }] } }],
  [
    "mount./data",
    "/srv/data,bind,rbind,ro",
    { adjust: { mounts: [{ destination: "/data", type: "bind", source: "/srv/data", options: ["rbind", "ro"] }] } },
  ],
  ["mount.-/data", "", { adjust: { mounts: [{ destination: "-/data" }] } }],
  [
    "device./dev/fuse",
    "c:10:229:0666",
    {
      adjust: {
        linux: { devices: [{ path: "/dev/fuse", type: "c", major: "10", minor: "229", fileMode: { value: 438 } }] },
      },
    },
  ],
  [
    "device./dev/x",
    "b:8:1:0600:1:2",
    {
      adjust: {
        linux: {
          devices: [
            {
              ...{ path: "/dev/x", type: "b", major: "8", minor: "1" },
              ...{ fileMode: { value: 384 }, uid: { value: 1 }, gid: { value: 2 } },
            },
          ],
        },
      },
    },
  ],
  [
    "rlimit.RLIMIT_NOFILE",
    "1024:unlimited",
    { adjust: { rlimits: [{ type: "RLIMIT_NOFILE", hard: "18446744073709551615", soft: "1024" }] } },
  ],
  [
    "hook.createRuntime",
    '{"path":"/bin/x","args":["x"],"env":["A=1"],"timeout":2}',
    { adjust: { hooks: { createRuntime: [{ path: "/bin/x", args: ["x"], env: ["A=1"], timeout: { value: "2" } }] } } },
  ],
  ["hook.poststop", '{"path":"/bin/x"}', { adjust: { hooks: { poststop: [{ path: "/bin/x" }] } } }],
  ["args", '["/bin/sh","-c","date"]', { adjust: { args: ["/bin/sh", "-c", "date"] } }],
  ["cdi.example.com/gpu=0", "", { adjust: { CDIDevices: [{ name: "example.com/gpu=0" }] } }],
  ["cgroupsPath", "/kubepods/pod1/c1", { adjust: { linux: { cgroupsPath: "/kubepods/pod1/c1" } } }],
  ["oomScoreAdj", "-500", { adjust: { linux: { oomScoreAdj: { value: "-500" } } } }],
  ["oomScoreAdj", "0", { adjust: { linux: { oomScoreAdj: {} } } }],
  ["sysctl.net.core.somaxconn", "1024", { adjust: { linux: { sysctl: { "net.core.somaxconn": "1024" } } } }],
  ["cpu.shares", "512", resources({ cpu: { shares: { value: "512" } } })],
  ["cpu.quota", "-1", resources({ cpu: { quota: { value: "-1" } } })],
  ["cpu.period", "100000", resources({ cpu: { period: { value: "100000" } } })],
  ["cpu.cpus", "0-3,8", resources({ cpu: { cpus: "0-3,8" } })],
  ["cpu.mems", "0", resources({ cpu: { mems: "0" } })],
  ["cpu.realtimeRuntime", "950000", resources({ cpu: { realtimeRuntime: { value: "950000" } } })],
  ["cpu.realtimePeriod", "1000000", resources({ cpu: { realtimePeriod: { value: "1000000" } } })],
  ["memory.limit", "9007199254740993", resources({ memory: { limit: { value: "9007199254740993" } } })],
  ["memory.limit", "-1", resources({ memory: { limit: { value: "-1" } } })],
  ["hugepage.2MB", "4194304", resources({ hugepageLimits: [{ pageSize: "2MB", limit: "4194304" }] })],
  ["pids.limit", "256", resources({ pids: { limit: "256" } })],
  ["unified.memory.high", "200M", resources({ unified: { "memory.high": "200M" } })],
  ["blockioClass", "slow", resources({ blockioClass: { value: "slow" } })],
  ["rdtClass", "gold", resources({ rdtClass: { value: "gold" } })],
  [`update.${other}.cpu.shares`, "2048", update({ cpu: { shares: { value: "2048" } } })],
  [`update.${other}.cpu.quota`, "50000", update({ cpu: { quota: { value: "50000" } } })],
  [`update.${other}.cpu.period`, "100000", update({ cpu: { period: { value: "100000" } } })],
  [`update.${other}.cpu.cpus`, "4-7", update({ cpu: { cpus: "4-7" } })],
  [`update.${other}.cpu.mems`, "0-1", update({ cpu: { mems: "0-1" } })],
  [`update.${other}.memory.limit`, "-1", update({ memory: { limit: { value: "-1" } } })],
  [`update.${other}.hugepage.1GB`, "0", update({ hugepageLimits: [{ pageSize: "1GB" }] })],
  [`update.${other}.unified.cpu.weight`, "50", update({ unified: { "cpu.weight": "50" } })],
];

/** What only phase start can have: refused at a create with the remedy, taken at a start. */
const startOnly: readonly [key: string, value: string][] = [
  ["memory.reservation", "134217728"],
  ["memory.swap", "536870912"],
  ["memory.kernel", "-1"],
  ["memory.kernelTCP", "-1"],
  ["memory.swappiness", "10"],
  ["memory.disableOOMKiller", "true"],
  ["memory.useHierarchy", "true"],
];

/** What needs a later NRI than the runtime's: the containerd version, the NRI that the error names. */
const gated: readonly [key: string, value: string, containerd: string, needs: string][] = [
  ["rlimit.RLIMIT_NOFILE", "1:2", "1.7.0", "needs NRI 0.4, and this runtime speaks 0.3.0"],
  ["cdi.example.com/gpu=0", "", "1.7.24", "needs NRI 0.7, and this runtime speaks 0.6.1"],
  ["oomScoreAdj", "1", "1.7.24", "needs NRI 0.7, and this runtime speaks 0.6.1"],
  ["pids.limit", "9", "1.7.24", "needs NRI 0.7, and this runtime speaks 0.6.1"],
  ["args", '["x"]', "2.1.0", "needs NRI 0.10, and this runtime speaks 0.8.0"],
  ["sysctl.net.core.somaxconn", "1", "2.2.0", "needs NRI 0.11, and this runtime speaks 0.10.0"],
];

let bench: Bench;

beforeAll(() => {
  bench = new Bench();
});

afterAll(() => bench.remove());

/** A container for each row, and what its create or start is answered: all of them are of one play. */
async function playEach(event: string, rows: readonly (readonly [key: string, value: string])[], config: string) {
  const ids = rows.map((_, at) => `c0ffee${at.toString(16).padStart(4, "0")}`);
  bench.asksEach("asker", Object.fromEntries(rows.map(([key, value], at) => [ids[at], { [`adjust.${key}`]: value }])));
  const played = await bench.play({
    ...{ plugins: ["asker"], config: `cgroup: host\n${config}` },
    ...{ only: [event], containers: ids },
  });
  const answers = new Map(rows.map(([key, value], at) => [`${key} ${value}`, played.answer(event, ids[at])]));
  return (key: string, value: string) => answers.get(`${key} ${value}`) ?? { response: undefined, error: "not played" };
}

describe("each line of the table of keys, in phase create", () => {
  const config = "phase: create\n";
  let create: Awaited<ReturnType<typeof playEach>>;
  beforeAll(async () => {
    create = await playEach(
      "CreateContainer",
      [...creates.map(([key, value]) => [key, value] as const), ...startOnly],
      config,
    );
  });

  it.each(creates)("adjust.%s %j", (key, value, answer) => {
    expect(create(key, value)).toEqual({ response: answer, error: null });
  });

  it.each(startOnly)("adjust.%s fails the create, and says where it takes effect", (key, value) => {
    const { response, error } = create(key, value);
    expect(response).toEqual({});
    for (const part of ['"asker"', `adjust.${key} "${value}"`, "phase start", "set `phase: start`"]) {
      expect(error).toContain(part);
    }
  });

  it.each(gated)("adjust.%s %j on containerd %s: %s", async (key, value, containerd, needs) => {
    bench.asks("asker", { [`adjust.${key}`]: value });
    const played = await bench.play({
      ...{ plugins: ["asker"], config: `cgroup: host\n${config}` },
      ...{ only: ["CreateContainer"], containerd },
    });
    const { response, error } = played.answer("CreateContainer");
    expect(response).toEqual({});
    expect(error).toContain(`"asker" cannot be applied: adjust.${key} `);
    expect(error).toContain(needs);
    expect(error).toMatch(/; update the runtime to containerd \S+ or CRI-O \S+, or later/);
    expect(played.code).toBe(1);
  });
});

describe("each line of the table of keys, in phase start", () => {
  const written = /^(cpu|memory|hugepage|pids|unified)\./;
  const taken = [...creates.map(([key, value]): [string, string] => [key, value]), ...startOnly];
  let start: Awaited<ReturnType<typeof playEach>>;
  beforeAll(async () => {
    start = await playEach("StartContainer", taken, "");
  });

  it.each(taken.filter(([key]) => written.test(key)))("adjust.%s %j is taken", (key, value) => {
    expect(start(key, value)).toEqual({ response: {}, error: null });
  });

  it.each(taken.filter(([key]) => !written.test(key)))("adjust.%s %j fails the start", (key, value) => {
    const { error } = start(key, value);
    expect(error).toContain(`the result of "asker" cannot be applied: adjust.${key} `);
    expect(error).toContain("set `phase: create` for this plugin");
  });
});
