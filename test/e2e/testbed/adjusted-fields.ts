import type { AdjustedNode } from "./adjusted.js";

/** A field of NRI's adjustment, what is asked for, and what the container has of it then. */
interface AdjustedField {
  readonly path: string;
  readonly value: unknown;
  readonly seen: (node: AdjustedNode, container: string) => unknown;
  readonly expected: unknown;
  /** The first of the two runtimes that applies it; absent: both do. */
  readonly since?: "v2";
}

/** What a runtime's daemon tells of itself. */
interface AdjustedTarget {
  readonly runtime: string;
  readonly daemon: { readonly uidPart: string; readonly logRoot: string };
}

/** What phase create can set. docs/RESULTS.md names these as seen in the container. */
export function adjustedFields({ runtime, daemon }: AdjustedTarget): readonly AdjustedField[] {
  const hook = (name: string) => [{ path: "/bin/true", args: ["true", name] }];
  const stages = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
  const cgroup = (file: string) => (node: AdjustedNode, container: string) => node.cgroup(container, file);
  const cgroupsPath = `/kubepods/besteffort/${daemon.uidPart}nri`;
  const has = (found: boolean) => (found ? "there" : "not there");
  return [
    {
      path: "annotations",
      value: { "example.com/by": "nri", "-example.com/gone": "" },
      seen: (node, container) => {
        const { annotations } = node.spec(container);
        return [annotations["example.com/by"], annotations["example.com/gone"]];
      },
      expected: ["nri", undefined],
    },
    {
      path: "env",
      value: [{ key: "BY", value: "nri" }],
      seen: async (node, container) => has((await node.proc(container, "environ")).split("\0").includes("BY=nri")),
      expected: "there",
    },
    {
      path: "mounts",
      value: [
        { destination: "/mnt/logs", type: "bind", source: daemon.logRoot, options: ["rbind", "ro"] },
        ...(runtime === "v2" ? [{ destination: "-/dev/mqueue" }] : []),
      ],
      seen: async (node, container) => {
        const mounts = await node.proc(container, "mountinfo");
        return [/ \/mnt\/logs ro[, ]/, / \/dev\/mqueue /].map((mount) => has(mount.test(mounts)));
      },
      expected: ["there", has(runtime === "v17")],
    },
    ...stages.map((stage) => ({
      path: `hooks.${stage}`,
      value: hook(stage),
      seen: (node: AdjustedNode, container: string) => node.spec(container).hooks[stage],
      expected: hook(stage),
    })),
    {
      path: "rlimits",
      value: [{ type: "RLIMIT_CORE", soft: 4096, hard: 8192 }],
      seen: async (node, container) =>
        /core file size +(\d+) +(\d+)/.exec(await node.proc(container, "limits"))?.slice(1),
      expected: ["4096", "8192"],
    },
    {
      path: "CDIDevices",
      since: "v2",
      value: [{ name: "example.com/dev=one" }],
      seen: (node, container) => has(node.spec(container).process.env.includes("CDI=one")),
      expected: "there",
    },
    {
      path: "linux.devices",
      value: [{ path: "/dev/mine", type: "c", major: 1, minor: 7, fileMode: 0o622 }],
      seen: async (node, container) => [
        await node.proc(container, "root/dev/mine", ({ rdev, mode }) => [rdev, (mode & 0o7777).toString(8)]),
        has((await node.cgroup(container, "devices.list")).split("\n").includes("c 1:7 rwm")),
      ],
      expected: [[0x107, "622"], "there"],
    },
    {
      path: "linux.cgroupsPath",
      value: cgroupsPath,
      seen: (node, container) => node.cgroupPath(container, "cpu"),
      expected: cgroupsPath,
    },
    {
      path: "linux.oomScoreAdj",
      since: "v2",
      value: 777,
      seen: async (node, container) => (await node.proc(container, "oom_score_adj")).trim(),
      expected: "777",
    },
    { path: "linux.resources.cpu.shares", value: 300, seen: cgroup("cpu.shares"), expected: "300" },
    { path: "linux.resources.cpu.quota", value: 45_000, seen: cgroup("cpu.cfs_quota_us"), expected: "45000" },
    { path: "linux.resources.cpu.period", value: 90_000, seen: cgroup("cpu.cfs_period_us"), expected: "90000" },
    { path: "linux.resources.cpu.cpus", value: "0", seen: cgroup("cpuset.cpus"), expected: "0" },
    { path: "linux.resources.cpu.mems", value: "0", seen: cgroup("cpuset.mems"), expected: "0" },
    {
      path: "linux.resources.memory.limit",
      value: 67_108_864,
      seen: cgroup("memory.limit_in_bytes"),
      expected: "67108864",
    },
    { path: "linux.resources.pids.limit", since: "v2", value: 99, seen: cgroup("pids.max"), expected: "99" },
  ];
}

/** What phase start writes: the field below the container's resources, what is asked for, and the file that has it then. */
export const writtenFields = [
  ["memory.limit", 134_217_728, "memory.limit_in_bytes", "134217728"],
  ["memory.reservation", 67_108_864, "memory.soft_limit_in_bytes", "67108864"],
  ["memory.swap", 268_435_456, "memory.memsw.limit_in_bytes", "268435456"],
  ["memory.kernelTcp", 33_554_432, "memory.kmem.tcp.limit_in_bytes", "33554432"],
  ["memory.swappiness", 7, "memory.swappiness", "7"],
  ["memory.disableOomKiller", true, "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0"],
  ["cpu.quota", 40_000, "cpu.cfs_quota_us", "40000"],
  ["cpu.shares", 333, "cpu.shares", "333"],
  ["pids.limit", 99, "pids.max", "99"],
] as const;

/** Sets what stands at a path of names. */
export function setIn(message: Record<string, unknown>, [name = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    message[name] = value;
    return;
  }
  const inner: Record<string, unknown> = Object.assign({}, message[name]);
  setIn(inner, rest, value);
  message[name] = inner;
}
