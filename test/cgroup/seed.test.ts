import { describe, expect, it } from "vitest";

import { hierarchies } from "../../src/cgroup/controllers.js";
import { fieldFiles } from "../../src/cgroup/fields.js";
import { withoutUnset } from "../../src/cgroup/real-resources.js";
import { seedFiles } from "../../src/cgroup/tree.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { machine } from "./support/machine.js";

function contents(resources: LinuxResources, pid?: number): Record<string, string> {
  const files = seedFiles({ machine, resources, ...(pid === undefined ? {} : { pid }) });
  return Object.fromEntries(files.map(({ directory, file, content }) => [`${directory}/${file}`, content]));
}

/** Numbers are followed by one newline more than the kernel's. */
const number = (text: string): string => `${text}\n\n`;

describe("the files of a new cgroup", () => {
  it("hold what the kernel prints", () => {
    expect(contents({})).toMatchObject({
      "cpu,cpuacct/cpu.shares": number("1024"),
      "cpu,cpuacct/cpu.cfs_quota_us": number("-1"),
      "cpu,cpuacct/cpu.cfs_period_us": number("100000"),
      "cpu,cpuacct/cpu.rt_runtime_us": number("0"),
      "cpu,cpuacct/cpu.rt_period_us": number("1000000"),
      "cpuset/cpuset.cpus": number("0-15"),
      "cpuset/cpuset.mems": number("0-1"),
      "memory/memory.limit_in_bytes": number("9223372036854771712"),
      "memory/memory.soft_limit_in_bytes": number("9223372036854771712"),
      "memory/memory.memsw.limit_in_bytes": number("9223372036854771712"),
      "memory/memory.kmem.limit_in_bytes": number("9223372036854771712"),
      "memory/memory.kmem.tcp.limit_in_bytes": number("9223372036854771712"),
      "memory/memory.swappiness": number("60"),
      "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
      "memory/memory.use_hierarchy": number("1"),
      "hugetlb/hugetlb.2MB.limit_in_bytes": number("9223372036852678656"),
      "hugetlb/hugetlb.1GB.limit_in_bytes": number("9223372035781033984"),
      "pids/pids.max": number("max"),
      "freezer/freezer.state": "THAWED\n",
      "devices/devices.list": "a *:* rwm\n",
      "pids/cgroup.procs": "",
      "systemd/tasks": "",
    });
  });

  it("hold the spec's values, and the container's process in each hierarchy", () => {
    const seeded = contents(
      {
        cpu: { shares: 2n, quota: 20_000n, period: 50_000n, cpus: "3,1-2", mems: "0", realtimeRuntime: 9n },
        memory: { limit: 1_000_000n, swap: -1n, swappiness: 0n, disableOOMKiller: true },
        pids: { limit: 0n },
        hugepageLimits: [{ pageSize: "2MB", limit: 3n << 20n }],
      },
      42,
    );
    expect(seeded).toMatchObject({
      "cpu,cpuacct/cpu.shares": number("2"),
      "cpu,cpuacct/cpu.cfs_quota_us": number("20000"),
      "cpu,cpuacct/cpu.cfs_period_us": number("50000"),
      "cpu,cpuacct/cpu.rt_runtime_us": number("9"),
      "cpuset/cpuset.cpus": number("1-3"),
      // The kernel counts in pages.
      "memory/memory.limit_in_bytes": number("999424"),
      "memory/memory.memsw.limit_in_bytes": number("9223372036854771712"),
      "memory/memory.swappiness": number("0"),
      "memory/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n",
      "hugetlb/hugetlb.2MB.limit_in_bytes": number("2097152"),
      "pids/pids.max": number("max"),
    });
    for (const { directory } of hierarchies) expect(seeded[`${directory}/cgroup.procs`]).toBe("42\n");
  });

  it("take a 0 that runc takes as unset for unset", () => {
    const zeros = { cpu: { shares: 0n, quota: 0n, period: 0n }, memory: { limit: 0n, swap: 0n } };
    expect(contents(withoutUnset(zeros))).toEqual(contents({}));
    expect(withoutUnset({ memory: { swappiness: 0n, limit: 1n } })).toEqual({ memory: { swappiness: 0n, limit: 1n } });
  });

  it("show a 0 that an earlier plugin asked for", () => {
    expect(contents({ memory: { reservation: 0n } })["memory/memory.soft_limit_in_bytes"]).toBe(number("0"));
  });
});

describe("fields", () => {
  const field = (name: string) => fieldFiles(machine).find(({ file }) => file === name);
  it.each([
    ["cpu.shares", "1", "2"],
    ["cpu.shares", "0x400", "1024"],
    ["cpu.shares", "999999", "262144"],
    ["cpu.shares", "-1", undefined],
    ["cpu.cfs_quota_us", "-1000", "-1"],
    ["cpu.cfs_quota_us", "0", undefined],
    ["cpu.cfs_quota_us", "max", undefined],
    ["cpu.cfs_period_us", "999", undefined],
    ["cpu.cfs_period_us", "1000000", "1000000"],
    ["cpu.rt_runtime_us", "-5", "-1"],
    ["cpu.rt_period_us", "0", undefined],
    ["cpuset.cpus", "0-3,8", "0-3,8"],
    ["cpuset.cpus", "0-16", undefined],
    ["cpuset.mems", "", ""],
    ["memory.limit_in_bytes", "512M", "536870912"],
    ["memory.limit_in_bytes", "-1", "-1"],
    ["memory.limit_in_bytes", "-2", undefined],
    ["memory.limit_in_bytes", "9223372036854771712", "-1"],
    ["memory.limit_in_bytes", "max", undefined],
    ["memory.swappiness", "201", undefined],
    ["memory.oom_control", "1", "1"],
    ["memory.oom_control", "2", undefined],
    ["hugetlb.2MB.limit_in_bytes", "-1", "9223372036852678656"],
    ["hugetlb.2MB.limit_in_bytes", "1G", "1073741824"],
    ["pids.max", "max", "-1"],
    ["pids.max", "-1", undefined],
    ["pids.max", "4194305", undefined],
  ])("%s takes %j as %j", (name, text, value) => {
    const parsed = field(name)?.parse(text);
    expect(parsed?.ok ? parsed.value : undefined).toBe(value);
  });

  it("carry every value into LinuxResources and back", () => {
    const resources: LinuxResources = {};
    for (const file of fieldFiles(machine)) {
      const value = file.file.startsWith("cpuset") ? "1" : file.field.startsWith("memory.disable") ? "1" : "4096";
      const kept = file.field === "memory.useHierarchy" ? "0" : value;
      file.assign(resources, kept);
      expect([file.file, file.current(resources)]).toEqual([file.file, kept]);
    }
    expect(resources).toEqual({
      cpu: {
        shares: 4096n,
        quota: 4096n,
        period: 4096n,
        realtimeRuntime: 4096n,
        realtimePeriod: 4096n,
        cpus: "1",
        mems: "1",
      },
      memory: {
        limit: 4096n,
        reservation: 4096n,
        swap: 4096n,
        kernel: 4096n,
        kernelTCP: 4096n,
        swappiness: 4096n,
        disableOOMKiller: true,
        useHierarchy: false,
      },
      pids: { limit: 4096n },
      hugepageLimits: [
        { pageSize: "2MB", limit: 4096n },
        { pageSize: "1GB", limit: 4096n },
      ],
    });
  });
});
