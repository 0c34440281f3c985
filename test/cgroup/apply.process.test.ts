import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  type CgroupMounts,
  type CgroupWrite,
  ContainerCgroup,
  parseCgroupMounts,
} from "../../src/cgroup/container-cgroup.js";
import { type Machine, readMachine } from "../../src/cgroup/machine.js";
import { applyChanges as applyTo, readFiles, undoingText } from "../../src/cgroup/real-cgroup.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { makeFolder } from "../support/places.js";
import { machine, makeCgroup, mounts, testCgroup } from "./support.js";

interface Given {
  readonly mounts: CgroupMounts;
  readonly cgroupsPath: string;
  readonly machine: Machine;
}

function applyChanges(changes: LinuxResources, given: Given, files: readonly CgroupWrite[] = [], specShares?: bigint) {
  const cgroup = new ContainerCgroup(given.mounts, given.cgroupsPath);
  try {
    return applyTo(changes, files, cgroup, given.machine, specShares);
  } finally {
    cgroup.close();
  }
}

const v2Files: Readonly<Record<string, string>> = {
  "cpu.weight": "39\n",
  "cpu.max": "max 20000\n",
  "cpuset.cpus": "\n",
  "cpuset.cpus.effective": "0-15\n",
  "cpuset.mems": "0\n",
  "memory.max": "1073741824\n",
  "memory.low": "8192\n",
  "memory.swap.max": "0\n",
  "memory.oom.group": "0\n",
  "pids.max": "max\n",
  "hugetlb.2MB.max": "max\n",
};

describe("a container's cgroup on v2", () => {
  let root = "";
  const cgroupsPath = "kubepods-pod1.slice:cri-containerd:abc";
  const path = "kubepods.slice/kubepods-pod1.slice/cri-containerd-abc.scope";
  const ofRoot = () => parseCgroupMounts(`30 21 0:26 / ${root} rw - cgroup2 cgroup2 rw`);
  const file = (name: string): string => readFileSync(join(root, path, name), "utf8");
  const apply = (changes: LinuxResources, specShares?: bigint) =>
    applyChanges(changes, { machine, mounts: ofRoot(), cgroupsPath }, [], specShares);

  beforeEach(() => {
    root = makeFolder();
    mkdirSync(join(root, path), { recursive: true });
    for (const [name, text] of Object.entries(v2Files)) writeFileSync(join(root, path, name), text);
  });

  it.each<[string, LinuxResources, Record<string, string>]>([
    ["shares", { cpu: { shares: 2000n } }, { "cpu.weight": "77" }],
    ["a quota keeps the period", { cpu: { quota: 50_000n } }, { "cpu.max": "50000 20000" }],
    ["no quota", { cpu: { quota: -1n, period: 30_000n } }, { "cpu.max": "max 30000" }],
    ["a period keeps the quota", { cpu: { period: 30_000n } }, { "cpu.max": "max 30000" }],
    ["a cpuset", { cpu: { cpus: "0-3", mems: "1" } }, { "cpuset.cpus": "0-3", "cpuset.mems": "1" }],
    ["memory", { memory: { limit: -1n, reservation: 4096n } }, { "memory.max": "max", "memory.low": "4096" }],
    ["swap over the present limit", { memory: { swap: 2n << 30n } }, { "memory.swap.max": "1073741824" }],
    [
      "swap over a new limit",
      { memory: { limit: 5n << 20n, swap: 5n << 20n } },
      { "memory.max": "5242880", "memory.swap.max": "0" },
    ],
    ["no swap limit", { memory: { swap: -1n } }, { "memory.swap.max": "max" }],
    ["a 0", { memory: { limit: -1n, swap: 0n, reservation: 0n } }, { "memory.max": "max", "memory.low": "0" }],
    ["pids", { pids: { limit: 10n } }, { "pids.max": "10" }],
    ["huge pages", { hugepageLimits: [{ pageSize: "2MB", limit: 1n << 21n }] }, { "hugetlb.2MB.max": "2097152" }],
    ["unified", { unified: { "memory.oom.group": "1" } }, { "memory.oom.group": "1" }],
  ])("gets %s", (_, changes, expected) => {
    expect(apply(changes, 1024n)).toEqual([]);
    for (const [name, text] of Object.entries(v2Files))
      expect([name, file(name).trim()]).toEqual([name, expected[name] ?? text.trim()]);
  });

  // fs2/memory.go setMemory of opencontainers/cgroups.
  it("without swap accounting takes no swap, or all there is, for done", () => {
    rmSync(join(root, path, "memory.swap.max"));
    for (const swap of [-1n, 1n << 30n]) expect(apply({ memory: { swap } })).toEqual([]);
    expect(apply({ memory: { swap: 2n << 30n } })).toEqual([expect.stringContaining("memory.swap.max does not exist")]);
  });

  it("gets a weight by the form that the present one has", () => {
    writeFileSync(join(root, path, "cpu.weight"), "100\n");
    expect(apply({ cpu: { shares: 2000n } }, 1024n)).toEqual([]);
    expect(file("cpu.weight")).toBe("170");
  });

  it.each<[LinuxResources, string]>([
    [{ memory: { swappiness: 10n } }, "memory.swappiness: cgroup v2 has no file for memory.swappiness"],
    [{ memory: { disableOOMKiller: true } }, "memory.disableOOMKiller: cgroup v2 has no file for memory.oom_control"],
    [{ memory: { swap: 4096n } }, "memory.swap: 4096 is less than the memory limit 1073741824, which it includes"],
    [{ cpu: { realtimeRuntime: 1n } }, "cpu.realtimeRuntime: cgroup v2 has no file for cpu.rt_runtime_us"],
    [
      { hugepageLimits: [{ pageSize: "64KB", limit: 1n }] },
      "hugepageLimits.64KB: the machine has no pages of this size",
    ],
    [{ unified: { "../x": "1" } }, "unified.../x: is a cgroup v2 file that this node does not have"],
  ])("refuses %o whole", (changes, error) => {
    expect(apply({ ...changes, pids: { limit: 5n } })).toEqual([error]);
    expect(file("pids.max")).toBe("max\n");
  });

  it("is not left through a link", () => {
    const outside = makeFolder();
    writeFileSync(join(outside, "pids.max"), "max\n");
    symlinkSync(outside, join(root, "link"));
    for (const bad of ["/link", "/link/x", "/../x"]) {
      expect(() => applyChanges({ pids: { limit: 1n } }, { machine, mounts: ofRoot(), cgroupsPath: bad })).toThrow(
        /cannot be (opened|used)/,
      );
    }
    rmSync(join(root, path, "pids.max"));
    symlinkSync(join(outside, "pids.max"), join(root, path, "pids.max"));
    expect(() => apply({ pids: { limit: 1n } })).toThrow(/ELOOP/);
    expect(readFileSync(join(outside, "pids.max"), "utf8")).toBe("max\n");
  });

  it("is read as v1 would show it", () => {
    writeFileSync(join(root, path, "memory.swap.max"), "1048576\n");
    writeFileSync(join(root, path, "cpu.max"), "25000 50000\n");
    writeFileSync(join(root, path, "io.max"), "8:0 rbps=max wbps=7 riops=max wiops=max\n");
    writeFileSync(join(root, path, "io.weight"), "default 910\n8:16 50\n");
    const cgroup = new ContainerCgroup(ofRoot(), cgroupsPath);
    expect(Object.fromEntries(readFiles(cgroup, { cpu: { shares: 1024n } }, machine))).toEqual({
      "cpu/cpu.shares": "1024",
      "cpu/cpu.cfs_quota_us": "25000",
      "cpu/cpu.cfs_period_us": "50000",
      "cpuset/cpuset.cpus": "0-15",
      "cpuset/cpuset.mems": "0",
      "memory/memory.limit_in_bytes": "1073741824",
      "memory/memory.soft_limit_in_bytes": "8192",
      "memory/memory.memsw.limit_in_bytes": `${(1n << 30n) + (1n << 20n)}`,
      "pids/pids.max": "max",
      "hugetlb/hugetlb.2MB.limit_in_bytes": "max",
      "blkio/blkio.throttle.write_bps_device": "8:0 7",
      "blkio/blkio.weight": "100",
      "blkio/blkio.weight_device": "8:16 15",
      "blkio/blkio.bfq.weight": "100",
      "blkio/blkio.bfq.weight_device": "8:16 15",
    });
    expect(readFiles(cgroup, {}, machine).get("cpu/cpu.shares")).toBe("295");
    cgroup.close();
  });
});

// Formats: Documentation/admin-guide/cgroup-v2.rst.
describe("what undoes a write", () => {
  const limit = (device: string, rate: string) => `${device} rbps=${rate} wbps=max riops=max wiops=max`;
  it.each([
    ["memory.max", "1073741824", "4096", "1073741824"],
    ["cpuset.cpus", "", "0-3", "\n"],
    ["io.max", "", "8:0 rbps=1", limit("8:0", "max")],
    ["io.max", limit("8:0", "5"), "8:0 rbps=1\n8:16 rbps=2", `${limit("8:0", "5")}\n${limit("8:16", "max")}`],
    ["io.weight", "default 100\n8:0 50", "default 20\n8:16 7\n8:0 3", "default 100\n8:0 50\n8:16 default"],
    ["io.weight", "default 100", "50", "default 100"],
    ["io.latency", "", "8:16 target=10", "8:16 target=0"],
    ["rdma.max", "mlx4_0 hca_handle=2 hca_object=max", "mlx4_0 hca_handle=1", "mlx4_0 hca_handle=2 hca_object=max"],
  ])("of %s that was %j and got %j is %j", (file, former, written, undone) => {
    expect(undoingText(file, former, written)).toBe(undone);
  });
});

describe("this machine's cgroups", () => {
  const own = readMachine();

  it("take changes on v1, whole or not at all", (context) => {
    makeCgroup(context, ["cpu", "memory", "pids", "cpuset"]);
    const options = { machine: own, mounts, cgroupsPath: testCgroup };
    const changes: LinuxResources = {
      cpu: { shares: 512n, quota: 5_000n, period: 10_000n, cpus: "0", mems: "0" },
      memory: { limit: 64n << 20n, reservation: 32n << 20n, swappiness: 10n, disableOOMKiller: true },
      pids: { limit: 12n },
    };
    expect(applyChanges(changes, options)).toEqual([]);
    const cgroup = new ContainerCgroup(mounts, testCgroup);
    const before = readFiles(cgroup, {}, own);
    expect(Object.fromEntries(before)).toMatchObject({
      "cpu/cpu.shares": "512",
      "cpu/cpu.cfs_quota_us": "5000",
      "cpuset/cpuset.cpus": "0",
      "memory/memory.limit_in_bytes": `${64 << 20}`,
      "memory/memory.oom_control": "1",
      "pids/pids.max": "12",
      "memory/memory.force_empty": "",
    });
    // Less swap than memory is refused by the kernel; pids.max was written before and is put back.
    const swap = cgroup.read("memory", "memory.memsw.limit_in_bytes") !== undefined;
    const refused = applyChanges(
      swap ? { pids: { limit: 3n }, memory: { swap: 4096n } } : { pids: { limit: 3n }, cpu: { cpus: "0-9999" } },
      options,
    );
    expect(refused).toEqual([expect.stringMatching(/cannot be set to .*: EINVAL/)]);
    expect(readFiles(cgroup, {}, own)).toEqual(before);
    const fits = applyChanges({ memory: { limit: 128n << 20n, swap: 128n << 20n }, pids: { limit: -1n } }, options);
    expect(fits.length === 0).toBe(swap);
    cgroup.close();
  });

  it("take values that the kernel checks against others in whichever order they go, and are undone so", (context) => {
    const cgroupsPath = `${testCgroup}/child`;
    const [parent, child] = [testCgroup, cgroupsPath].map((path) => makeCgroup(context, ["cpu", "cpuset"], path)[0]);
    const text = (file: string) => readFileSync(`${child}/${file}`, "utf8").trim();
    for (const path of [parent, child]) writeFileSync(`${path}/cpu.cfs_quota_us`, "50000");
    // The parent has half a processor: a quota of 100000 is too much for it until the period is longer.
    const changes: LinuxResources = { cpu: { quota: 100_000n, period: 200_000n } };
    const options = { machine: own, mounts, cgroupsPath };
    expect(applyChanges({ cpu: { ...changes.cpu, cpus: "0-9999" } }, options)).toEqual([
      expect.stringMatching(/cpuset\.cpus cannot be set to "0-9999": E(INVAL|RANGE)/),
    ]);
    expect([text("cpu.cfs_quota_us"), text("cpu.cfs_period_us")]).toEqual(["50000", "100000"]);
    expect(applyChanges(changes, options)).toEqual([]);
    expect([text("cpu.cfs_quota_us"), text("cpu.cfs_period_us")]).toEqual(["100000", "200000"]);
  });

  it("take texts for files in their order, each line alone, and have their rules and lines back", (context) => {
    const [devices] = makeCgroup(context, ["devices", "cpuset"]);
    writeFileSync(`${devices}/devices.deny`, "c 1:9 rwm");
    const options = { machine: own, mounts, cgroupsPath: testCgroup };
    const list = () => readFileSync(`${devices}/devices.list`, "utf8");
    const before = list();
    const files = [
      { controller: "devices", file: "devices.deny", value: "a" },
      { controller: "devices", file: "devices.allow", value: "c 1:3 rwm\nc 1:5 r" },
    ];
    const fault = [expect.stringMatching(/cpuset\.cpus cannot be set to "0-9999": E(INVAL|RANGE)/)];
    expect(applyChanges({ cpu: { cpus: "0-9999" } }, options, files)).toEqual(fault);
    expect(list()).toBe(before);
    expect(applyChanges({}, options, files)).toEqual([]);
    expect(list()).toBe("c 1:3 rwm\nc 1:5 r\n");
    const denied = [{ controller: "devices", file: "devices.deny", value: "c 1:5 r" }];
    expect(applyChanges({ cpu: { cpus: "0-9999" } }, options, denied)).toEqual(fault);
    expect(list()).toBe("c 1:3 rwm\nc 1:5 r\n");
  });
});
