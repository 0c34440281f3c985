import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { applyChanges } from "../../src/cgroup/apply.js";
import { ContainerCgroup } from "../../src/cgroup/container-cgroup.js";
import { readMachine } from "../../src/cgroup/machine.js";
import { parseCgroupMounts } from "../../src/cgroup/mounts.js";
import { readResources } from "../../src/cgroup/real-resources.js";
import type { LinuxResources } from "../../src/oci/resources.js";
import { machine } from "./support/machine.js";

const v2Files: Readonly<Record<string, string>> = {
  "cpu.weight": "39\n",
  "cpu.max": "max 100000\n",
  "cpuset.cpus": "\n",
  "cpuset.cpus.effective": "0-15\n",
  "cpuset.mems": "0\n",
  "memory.max": "1073741824\n",
  "memory.low": "0\n",
  "memory.swap.max": "0\n",
  "memory.oom.group": "0\n",
  "pids.max": "max\n",
  "hugetlb.2MB.max": "max\n",
};

describe("a container's cgroup on v2", () => {
  let root = "";
  const cgroupsPath = "kubepods-pod1.slice:cri-containerd:abc";
  const path = "kubepods.slice/kubepods-pod1.slice/cri-containerd-abc.scope";
  const mounts = () => parseCgroupMounts(`30 21 0:26 / ${root} rw - cgroup2 cgroup2 rw`);
  const file = (name: string): string => readFileSync(join(root, path, name), "utf8");
  const apply = (changes: LinuxResources, specShares?: bigint) =>
    applyChanges(changes, {
      machine,
      mounts: mounts(),
      cgroupsPath,
      ...(specShares === undefined ? {} : { specShares }),
    });

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "cgroup-apply-"));
    mkdirSync(join(root, path), { recursive: true });
    for (const [name, text] of Object.entries(v2Files)) writeFileSync(join(root, path, name), text);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it.each<[string, LinuxResources, Record<string, string>]>([
    ["shares", { cpu: { shares: 2000n } }, { "cpu.weight": "77" }],
    ["a quota keeps the period", { cpu: { quota: 50_000n } }, { "cpu.max": "50000 100000" }],
    ["no quota", { cpu: { quota: -1n, period: 20_000n } }, { "cpu.max": "max 20000" }],
    ["a period keeps the quota", { cpu: { period: 20_000n } }, { "cpu.max": "max 20000" }],
    ["a cpuset", { cpu: { cpus: "0-3", mems: "1" } }, { "cpuset.cpus": "0-3", "cpuset.mems": "1" }],
    ["memory", { memory: { limit: -1n, reservation: 4096n } }, { "memory.max": "max", "memory.low": "4096" }],
    ["swap over the present limit", { memory: { swap: 2n << 30n } }, { "memory.swap.max": "1073741824" }],
    [
      "swap over a new limit",
      { memory: { limit: 5n << 20n, swap: 5n << 20n } },
      { "memory.max": "5242880", "memory.swap.max": "0" },
    ],
    ["no swap limit", { memory: { swap: -1n } }, { "memory.swap.max": "max" }],
    ["what v2 does anyway", { memory: { useHierarchy: true, disableOOMKiller: false } }, {}],
    ["pids", { pids: { limit: 10n } }, { "pids.max": "10" }],
    ["huge pages", { hugepageLimits: [{ pageSize: "2MB", limit: 1n << 21n }] }, { "hugetlb.2MB.max": "2097152" }],
    ["unified", { unified: { "memory.oom.group": "1" } }, { "memory.oom.group": "1" }],
  ])("gets %s", (_, changes, expected) => {
    const applied = apply(changes, 1024n);
    expect(applied.ok ? [] : applied.errors).toEqual([]);
    for (const [name, text] of Object.entries(v2Files))
      expect([name, file(name)]).toEqual([name, expected[name] ?? text]);
  });

  it("gets a weight by the form that the present one has", () => {
    writeFileSync(join(root, path, "cpu.weight"), "100\n");
    expect(apply({ cpu: { shares: 2000n } }, 1024n).ok).toBe(true);
    expect(file("cpu.weight")).toBe("170");
  });

  it.each<[LinuxResources, string]>([
    [{ memory: { swappiness: 10n } }, "memory.swappiness: cgroup v2 has no file for memory.swappiness"],
    [{ memory: { disableOOMKiller: true } }, "memory.disableOOMKiller: cgroup v2 cannot switch the OOM killer off"],
    [{ memory: { swap: 4096n } }, "memory.swap: 4096 is less than the memory limit 1073741824, which it includes"],
    [{ cpu: { realtimeRuntime: 1n } }, "cpu.realtimeRuntime: cgroup v2 has no file for cpu.rt_runtime_us"],
    [
      { hugepageLimits: [{ pageSize: "64KB", limit: 1n }] },
      "hugepageLimits.64KB: the machine has no pages of this size",
    ],
    [{ unified: { "../x": "1" } }, "unified.../x: is for cgroup v2, which has no such file here"],
    [{ network: { classID: 1 } }, "network: cannot be changed once the container exists"],
  ])("refuses %o whole", (changes, error) => {
    expect(apply({ ...changes, pids: { limit: 5n } })).toEqual({ ok: false, errors: [error] });
    expect(file("pids.max")).toBe("max\n");
  });

  it("is not left through a link", () => {
    const outside = mkdtempSync(join(tmpdir(), "cgroup-outside-"));
    writeFileSync(join(outside, "pids.max"), "max\n");
    symlinkSync(outside, join(root, "link"));
    for (const bad of ["/link", "/link/x", "/../x"]) {
      expect(() => applyChanges({ pids: { limit: 1n } }, { machine, mounts: mounts(), cgroupsPath: bad })).toThrow(
        /cannot be (opened|used)/,
      );
    }
    rmSync(join(root, path, "pids.max"));
    symlinkSync(join(outside, "pids.max"), join(root, path, "pids.max"));
    expect(() => apply({ pids: { limit: 1n } })).toThrow(/ELOOP/);
    expect(readFileSync(join(outside, "pids.max"), "utf8")).toBe("max\n");
    rmSync(outside, { recursive: true });
  });

  it("is read as v1 would show it", () => {
    writeFileSync(join(root, path, "memory.swap.max"), "1048576\n");
    writeFileSync(join(root, path, "cpu.max"), "25000 50000\n");
    const cgroup = new ContainerCgroup(mounts(), cgroupsPath);
    expect(readResources(cgroup, { cpu: { shares: 1024n }, memory: { swappiness: 5n } }, machine)).toEqual({
      cpu: { shares: 1024n, quota: 25_000n, period: 50_000n, cpus: "0-15", mems: "0" },
      memory: { limit: 1n << 30n, swap: (1n << 30n) + (1n << 20n), swappiness: 5n },
      pids: { limit: -1n },
      hugepageLimits: [{ pageSize: "2MB", limit: 2n ** 63n - 2n ** 21n }],
    });
    expect(readResources(cgroup, {}, machine).cpu?.shares).toBe(295n);
    cgroup.close();
  });
});

describe("this machine's cgroups", () => {
  const mounts = parseCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  const own = readMachine();
  const name = `/nri-v01-bridge-test-${process.pid}`;
  const made: string[] = [];
  function make(point: string): void {
    mkdirSync(point + name);
    made.push(point + name);
  }
  afterEach(() => {
    for (const path of made.splice(0)) rmdirSync(path);
  });

  it("take changes on v1, whole or not at all", (context) => {
    const controllers = ["cpu", "memory", "pids", "cpuset"].map((controller) => mounts.v1.get(controller));
    if (controllers.some((mount) => mount === undefined)) return context.skip("no cgroup v1 here");
    try {
      for (const mount of controllers) make(mount?.point ?? "");
    } catch {
      return context.skip("no cgroup can be made here (needs root)");
    }
    const options = { machine: own, mounts, cgroupsPath: name };
    const changes: LinuxResources = {
      cpu: { shares: 512n, quota: 5_000n, period: 10_000n, cpus: "0", mems: "0" },
      memory: { limit: 64n << 20n, reservation: 32n << 20n, swappiness: 10n, disableOOMKiller: true },
      pids: { limit: 12n },
    };
    const applied = applyChanges(changes, options);
    expect(applied.ok ? [] : applied.errors).toEqual([]);
    const cgroup = new ContainerCgroup(mounts, name);
    const before = readResources(cgroup, {}, own);
    expect(before).toMatchObject(changes);
    // Less swap than memory is refused by the kernel; pids.max was written before and is put back.
    const swap = cgroup.exists("memory", "memory.memsw.limit_in_bytes");
    const refused = applyChanges(
      swap ? { pids: { limit: 3n }, memory: { swap: 4096n } } : { pids: { limit: 3n }, cpu: { cpus: "0-9999" } },
      options,
    );
    expect(refused).toMatchObject({ ok: false, errors: [expect.stringMatching(/cannot be set to .*: EINVAL/)] });
    expect(readResources(cgroup, {}, own)).toEqual(before);
    expect(applyChanges({ memory: { limit: 128n << 20n, swap: 128n << 20n }, pids: { limit: -1n } }, options).ok).toBe(
      swap,
    );
    cgroup.close();
  });

  it("take changes on v2, with what controllers it has", (context) => {
    const { v2 } = mounts;
    if (v2 === undefined) return context.skip("no cgroup v2 here");
    const point = v2.point;
    const controllers = existsSync(join(point, "cgroup.controllers"))
      ? readFileSync(join(point, "cgroup.controllers"), "utf8")
      : "";
    const [page] = own.hugepages;
    if (!/\bhugetlb\b/.test(controllers) || page === undefined) {
      return context.skip(`cgroup v2 has no controller that a test can use (${controllers.trim()})`);
    }
    const control = join(point, "cgroup.subtree_control");
    const enabled = readFileSync(control, "utf8");
    try {
      writeFileSync(control, "+hugetlb");
      make(point);
    } catch {
      return context.skip("no cgroup can be made here (needs root)");
    }
    const limit = page.bytes * 3n;
    const applied = applyChanges(
      { hugepageLimits: [{ pageSize: page.name, limit }] },
      { machine: own, mounts, cgroupsPath: name },
    );
    expect(applied.ok ? [] : applied.errors).toEqual([]);
    expect(readFileSync(`${point}${name}/hugetlb.${page.name}.max`, "utf8")).toBe(`${limit}\n`);
    rmdirSync(made.pop() ?? "");
    if (!/\bhugetlb\b/.test(enabled)) writeFileSync(control, "-hugetlb");
  });
});
