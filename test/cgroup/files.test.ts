import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withoutUnset } from "../../src/cgroup/cgroups.js";
import { parseCgroupMounts, resolveCgroupsPath } from "../../src/cgroup/container-cgroup.js";
import { hierarchies } from "../../src/cgroup/controllers.js";
import { readWritten } from "../../src/cgroup/diff.js";
import { fieldFiles } from "../../src/cgroup/fields.js";
import { formatList, parseList, parseSigned, parseSize, parseUnsigned } from "../../src/cgroup/machine.js";
import { formatMountinfo, formatProcCgroup, seedFiles } from "../../src/cgroup/tree.js";
import { findWeightForm, toShares, toWeight } from "../../src/cgroup/weight.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { machine } from "./support.js";

function contents(resources: LinuxResources, pid?: number): Record<string, string> {
  const files = seedFiles({ machine, spec: resources, ...(pid === undefined ? {} : { pid }) });
  return Object.fromEntries(files.map(({ directory, file, content }) => [`${directory}/${file.file}`, content]));
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
      "freezer/freezer.state": number("THAWED"),
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

describe("numbers as the kernel reads them", () => {
  it.each([
    ["1024", 1024n],
    ["+7", 7n],
    ["0x10", 16n],
    ["010", 8n],
    ["0", 0n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["18446744073709551616", undefined],
    ["08", undefined],
    ["-1", undefined],
    ["1K", undefined],
    ["", undefined],
    ["1 2", undefined],
  ])("unsigned %j is %s", (text, value) => {
    expect(parseUnsigned(text)).toBe(value);
  });

  it.each([
    ["-1", -1n],
    ["50000", 50_000n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["-9223372036854775809", undefined],
    ["9223372036854775808", undefined],
    ["-+1", undefined],
    ["--1", undefined],
  ])("signed %j is %s", (text, value) => {
    expect(parseSigned(text)).toBe(value);
  });

  it.each([
    ["512M", 512n << 20n],
    ["512m", 512n << 20n],
    ["1k", 1024n],
    ["2G", 2n << 30n],
    ["1T", 1n << 40n],
    ["0x1E", 30n],
    ["0x1P", 1n << 50n],
    ["7E", 7n << 60n],
    ["16E", undefined],
    ["-1", undefined],
    ["1MB", undefined],
    ["1.5G", undefined],
    ["max", undefined],
    ["", undefined],
  ])("size %j is %s", (text, value) => {
    expect(parseSize(text)).toBe(value);
  });
});

describe("lists as the kernel reads them", () => {
  it.each([
    ["0-3,8", "0-3,8"],
    ["3,1,2", "1-3"],
    ["0-2,2-5", "0-5"],
    ["", ""],
    ["0-7:1/2", "0,2,4,6"],
    ["all", "0-15"],
    ["8-N", "8-15"],
    ["N", "15"],
    [" 1 , 2", "1-2"],
    ["3-1", undefined],
    ["a", undefined],
    ["-1", undefined],
    ["0-4000000000", undefined],
    ["0-7:3/2", undefined],
  ])("%j is %j", (text, value) => {
    const list = parseList(text, 15);
    expect(list && formatList(list)).toBe(value);
  });
});

const seed = "100000\n\n";
const over = (text: string): string => text + seed.slice(text.length);

describe("what was written", () => {
  it.each([
    ["by echo >", "50000\n", ["50000"]],
    ["by a program that truncates", "-1", ["-1"]],
    ["by echo > of the seed's length", "500000\n", ["500000"]],
    ["by echo >>", `${seed}50000\n`, ["50000"]],
    ["twice, by > and >>", "1\n2\n", ["2"]],
    ["over the seed, with a newline", over("-1\n"), ["-1"]],
    ["over the seed, of its length", over("200001"), ["200001"]],
    ["over the seed, longer than it", over("123456789"), ["123456789"]],
    ["over the seed, shorter than it", over("5000"), ["5", "50", "500", "5000", "50000", "500000"]],
  ])("%s", (_, content, texts) => {
    expect(readWritten(seed, content)).toEqual(texts);
  });

  it.each(["", "\n", " \n\n"])("is nothing in %j", (content) => {
    expect(readWritten(seed, content)).toEqual([]);
  });

  it("is the whole text of a file that was put in the seed's place", () => {
    expect(readWritten(seed, "200000\n\n", { replaced: true })).toEqual(["200000"]);
  });

  it("is among the answers whatever way it was written", () => {
    const number = fc.bigInt({ min: -1n, max: 2n ** 63n }).map(String);
    const write = fc.constantFrom<(seed: string, text: string) => string>(
      (_, text) => text,
      (_, text) => `${text}\n`,
      (seed, text) => `${seed}${text}\n`,
      (seed, text) => text + seed.slice(text.length),
      (seed, text) => `${text}\n${seed.slice(text.length + 1)}`,
    );
    fc.assert(
      fc.property(number, number, write, (before, text, how) => {
        const written = readWritten(`${before}\n\n`, how(`${before}\n\n`, text));
        expect(written).toContain(text);
      }),
      { numRuns: 2000 },
    );
  });
});

const v2Node = [
  "21 26 0:19 / /sys rw,nosuid shared:7 - sysfs sysfs rw",
  "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
  "30 21 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
  "90 26 0:60 / /var/lib/nested/cgroup rw - cgroup cgroup rw,memory",
].join("\n");

describe("the mountinfo of a view", () => {
  const lines = formatMountinfo(v2Node).trimEnd().split("\n");

  it("is what containerd/cgroups looks for", () => {
    for (const line of lines) expect(line.split(" ").length).toBeGreaterThanOrEqual(10);
    const first = lines.find((line) => line.split(" ").at(-3) === "cgroup");
    expect(first?.split(" ")[4]).toBe("/sys/fs/cgroup/systemd");
    expect([...parseCgroupMounts(lines.join("\n")).v1.keys()]).toEqual(
      expect.arrayContaining(["cpu", "cpuacct", "memory", "name=systemd", "hugetlb", "net_prio"]),
    );
  });

  it("keeps the machine's other mounts and none of its cgroups", () => {
    expect(lines.slice(0, 2)).toEqual(v2Node.split("\n").slice(0, 2));
    expect(lines.join("\n")).not.toMatch(/cgroup2|nested/);
    expect(lines[2]).toBe(
      "31 21 0:31 / /sys/fs/cgroup rw,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755".replaceAll(
        "31 21 0:31",
        "27 21 0:27",
      ),
    );
  });

  it("can be made of this machine's", () => {
    expect(formatMountinfo(readFileSync("/proc/self/mountinfo", "utf8"))).toMatch(
      / \/sys\/fs\/cgroup\/pids .* - cgroup cgroup rw,pids\n/,
    );
  });

  it("goes with /proc/<pid>/cgroup", () => {
    expect(formatProcCgroup("/a").split("\n").slice(-3)).toEqual(["2:cpu,cpuacct:/a", "1:name=systemd:/a", ""]);
  });
});

describe("a cgroupsPath", () => {
  it.each([
    ["/kubepods/burstable/pod1/abc", "/kubepods/burstable/pod1/abc"],
    ["kubepods//abc/", "/kubepods/abc"],
    ["/a:b:c", "/a:b:c"],
    [
      "kubepods-burstable-pod1.slice:cri-containerd:abc",
      "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-abc.scope",
    ],
    ["system.slice:crio:abc", "/system.slice/crio-abc.scope"],
    [":docker:abc", "/system.slice/docker-abc.scope"],
    ["-.slice:x:abc", "/x-abc.scope"],
    ["a.slice:x:b.slice", "/a.slice/b.slice"],
  ])("%s is %s", (given, path) => {
    expect(resolveCgroupsPath(given)).toBe(path);
  });

  it.each([
    "",
    "/",
    "/a/../../b",
    "..",
    "a--b.slice:x:y",
    "-a.slice:x:y",
    "a:x:y",
    "a/b.slice:x:y",
    "a.slice:x:",
    "a.slice:x:../y",
    "/a\nb",
  ])("%j is refused", (given) => {
    expect(() => resolveCgroupsPath(given)).toThrow(/^cgroupsPath .* cannot be used: /);
  });
});

describe("cpu.weight", () => {
  // The weights that runc 1.3.1 and 1.3.2 give: opencontainers/runc#4896, opencontainers/cgroups utils_test.go.
  it.each([
    [2n, 1n, 1n],
    [1024n, 39n, 100n],
    [2000n, 77n, 170n],
    [262_144n, 10_000n, 10_000n],
    [999_999n, 10_000n, 10_000n],
  ])("of %s shares is %s on a line and %s on the curve", (shares, linear, quadratic) => {
    expect(toWeight(shares, "linear")).toBe(linear);
    expect(toWeight(shares, "quadratic")).toBe(quadratic);
  });

  it("can be turned back into shares that make it", () => {
    for (const form of ["linear", "quadratic"] as const) {
      for (const shares of [2n, 10n, 102n, 512n, 1024n, 4096n, 262_144n]) {
        const weight = toWeight(shares, form);
        expect(toWeight(toShares(weight, form), form)).toBe(weight);
      }
    }
  });

  it("tells by which form it was made", () => {
    expect(findWeightForm(1024n, 39n)).toBe("linear");
    expect(findWeightForm(1024n, 100n)).toBe("quadratic");
    expect(findWeightForm(1024n, 500n)).toBeUndefined();
    expect(findWeightForm(2n, 1n)).toBeUndefined();
  });
});
