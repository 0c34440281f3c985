import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withoutUnset } from "../../src/cgroup/cgroups.js";
import { parseCgroupMounts, resolveCgroupsPath } from "../../src/cgroup/container-cgroup.js";
import { readWritten } from "../../src/cgroup/diff.js";
import { fieldFiles } from "../../src/cgroup/fields.js";
import { lineFiles } from "../../src/cgroup/line-files.js";
import { formatList, parseList, parseSigned, parseSize, parseUnsigned } from "../../src/cgroup/machine.js";
import { formatMountinfo, formatProcCgroup, type SeedOptions, seedFiles } from "../../src/cgroup/tree.js";
import { findWeightForm, toBlkioWeight, toIoWeight, toShares, toWeight } from "../../src/cgroup/weight.js";
import type { LinuxResources } from "../../src/v01/resources.js";
import { machine } from "./support.js";

function contents(spec: LinuxResources, more: Partial<SeedOptions> = {}): Record<string, string> {
  return Object.fromEntries(seedFiles({ machine, spec, ...more }).map(({ file, content }) => [file.file, content]));
}

/** Numbers are followed by one newline more than the kernel's. */
const number = (text: string): string => `${text}\n\n`;

describe("the files of a new cgroup", () => {
  it("hold what the kernel prints", () => {
    const numbers = {
      ...{
        "cpu.shares": "1024",
        "cpu.cfs_quota_us": "-1",
        "cpu.cfs_period_us": "100000",
        "cpu.rt_period_us": "1000000",
      },
      ...{ "cpuset.cpus": "0-15", "cpuset.mems": "0-1", "memory.swappiness": "60", "memory.use_hierarchy": "1" },
      ...{ "pids.max": "max", "freezer.state": "THAWED", "hugetlb.2MB.limit_in_bytes": "9223372036852678656" },
      "memory.memsw.limit_in_bytes": "9223372036854771712",
    };
    expect(contents({})).toMatchObject({
      ...Object.fromEntries(Object.entries(numbers).map(([file, text]) => [file, number(text)])),
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
      "devices.list": "a *:* rwm\n",
      "cgroup.procs": "",
    });
  });

  it("hold what is asked for over what the real cgroup says, and that over the spec", () => {
    const files = new Map([
      ["cpu/cpu.cfs_quota_us", "7000"],
      ["net_cls/net_cls.classid", "5"],
    ]);
    const spec: LinuxResources = {
      cpu: { shares: 3n, quota: 5000n, cpus: "3,1-2" },
      memory: { limit: 1_000_000n, swap: -1n, swappiness: 0n, disableOOMKiller: true },
      pids: { limit: 0n },
      hugepageLimits: [{ pageSize: "2MB", limit: 3n << 20n }],
    };
    const asked = { cpu: { quota: 9000n }, memory: { reservation: 0n } };
    expect(contents(spec, { files, asked, pid: 42 })).toMatchObject({
      ...{ "cpu.shares": number("3"), "cpu.cfs_quota_us": number("9000"), "net_cls.classid": number("5") },
      ...{ "cpuset.cpus": number("1-3"), "pids.max": number("max"), "memory.swappiness": number("0") },
      // The kernel counts in pages.
      ...{ "memory.limit_in_bytes": number("999424"), "hugetlb.2MB.limit_in_bytes": number("2097152") },
      ...{ "memory.soft_limit_in_bytes": number("0"), "cgroup.procs": "42\n" },
      "memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n",
    });
    const real = seedFiles({ machine, spec, files }).filter(({ isReal }) => isReal);
    expect(real.map(({ file }) => file.file)).toEqual(["cpu.cfs_quota_us", "net_cls.classid"]);
  });

  it("take a 0 that runc takes as unset for unset", () => {
    const zeros = { cpu: { shares: 0n, quota: 0n, period: 0n }, memory: { limit: 0n, swap: 0n } };
    expect(contents(withoutUnset(zeros))).toEqual(contents({}));
    expect(withoutUnset({ memory: { swappiness: 0n, limit: 1n } })).toEqual({ memory: { swappiness: 0n, limit: 1n } });
  });
});

describe("fields", () => {
  const field = (name: string) => fieldFiles(machine).find(({ file }) => file === name);
  it.each<[string, Readonly<Record<string, string | undefined>>]>([
    ["cpu.shares", { "1": "2", "0x400": "1024", "999999": "262144", "-1": undefined }],
    ["cpu.cfs_quota_us", { "-1000": "-1", "0": undefined, max: undefined }],
    ["cpu.cfs_period_us", { "999": undefined, "1000000": "1000000" }],
    ["cpu.rt_runtime_us", { "-5": "-1" }],
    ["cpu.rt_period_us", { "0": undefined }],
    ["cpuset.cpus", { "0-3,8": "0-3,8", "0-16": undefined }],
    ["cpuset.mems", { "": "" }],
    ["memory.limit_in_bytes", { "512M": "536870912", "-1": "-1", "-2": undefined, "9223372036854771712": "-1" }],
    ["memory.swappiness", { "201": undefined }],
    ["memory.oom_control", { "1": "1", "2": undefined }],
    ["hugetlb.2MB.limit_in_bytes", { "-1": "9223372036852678656", "1G": "1073741824", max: undefined }],
    ["pids.max", { max: "-1", "-1": undefined, "4194305": undefined }],
  ])("%s takes %o", (name, texts) => {
    for (const [text, value] of Object.entries(texts)) {
      const parsed = field(name)?.parse(text);
      expect([text, parsed?.ok ? parsed.value : undefined]).toEqual([text, value]);
    }
  });

  it("carry every value into LinuxResources and back", () => {
    const resources: LinuxResources = {};
    for (const file of fieldFiles(machine)) {
      const value = /cpuset|oom_control|use_hierarchy/.test(file.file) ? "1" : "4096";
      file.assign(resources, value);
      expect([file.file, file.current(resources)]).toEqual([file.file, value]);
    }
    expect(Object.values(resources).map((group) => Object.keys(group).length)).toEqual([7, 8, 1, 2]);
    expect(resources).toMatchObject({
      cpu: { quota: 4096n, cpus: "1" },
      memory: { kernelTCP: 4096n, disableOOMKiller: true },
      pids: { limit: 4096n },
      hugepageLimits: [{ pageSize: "2MB", limit: 4096n }, { pageSize: "1GB" }],
    });
  });
});

describe("lines", () => {
  const all = new Map(lineFiles.map((file) => [file.file, file]));
  it.each<[string, string, LinuxResources | undefined]>([
    ["devices.allow", "a *:* rwm", { devices: [{ allow: true, type: "a", access: "rwm" }] }],
    ["devices.deny", "b 8:* r", { devices: [{ allow: false, type: "b", major: 8n, access: "r" }] }],
    ["devices.deny", "d 8:0 r", undefined],
    ["blkio.throttle.read_bps_device", "8:0 5\n8:16  0", { unified: { "io.max": "8:0 rbps=5\n8:16 rbps=max" } }],
    ["blkio.throttle.write_iops_device", "8:0 many", undefined],
    ["blkio.weight", "100", { unified: { "io.weight": "default 910" } }],
    ["blkio.weight", "9", undefined],
    ["blkio.bfq.weight", "9", { unified: { "io.weight": "default 1" } }],
    ["blkio.weight_device", "8:0 1000\n8:16 0", { unified: { "io.weight": "8:0 10000\n8:16 default" } }],
    ["blkio.bfq.weight_device", "8:0 1001", undefined],
  ])("of %s, %j, are %o", (name, text, expected) => {
    const parsed = all.get(name)?.parse(text);
    const resources: LinuxResources = {};
    if (parsed?.ok) all.get(name)?.assign(resources, parsed.value);
    expect(parsed?.ok ? resources : undefined).toEqual(expected);
  });

  it("for one device are joined, and show what was asked for", () => {
    const resources: LinuxResources = { unified: { "io.max": "8:0 rbps=1 wiops=2\n8:16 rbps=max" } };
    all.get("blkio.throttle.read_bps_device")?.assign(resources, "8:0 7");
    expect(resources.unified?.["io.max"]).toBe("8:0 wiops=2 rbps=7\n8:16 rbps=max");
    expect(all.get("blkio.throttle.write_iops_device")?.current(resources)).toBe("8:0 2");
    expect(all.get("blkio.throttle.write_bps_device")?.current(resources)).toBeUndefined();
  });
});

describe("numbers as the kernel reads them", () => {
  const parsers = { unsigned: parseUnsigned, signed: parseSigned, size: parseSize };
  it.each<[keyof typeof parsers, Readonly<Record<string, bigint>>, readonly string[]]>([
    [
      "unsigned",
      { "1024": 1024n, "+7": 7n, "0x10": 16n, "010": 8n, "0": 0n, "18446744073709551615": 2n ** 64n - 1n },
      ["18446744073709551616", "08", "-1", "1K", "", "1 2"],
    ],
    [
      "signed",
      { "-1": -1n, "50000": 50_000n, "-9223372036854775808": -(2n ** 63n) },
      ["-9223372036854775809", "9223372036854775808", "-+1", "--1", "-"],
    ],
    [
      "size",
      {
        "512M": 512n << 20n,
        "512m": 512n << 20n,
        "1k": 1024n,
        "1T": 1n << 40n,
        "0x1E": 30n,
        "0x1P": 1n << 50n,
        "7E": 7n << 60n,
      },
      ["16E", "-1", "1MB", "1.5G", "max", ""],
    ],
  ])("%s", (kind, taken, refused) => {
    for (const [text, value] of Object.entries(taken)) expect([text, parsers[kind](text)]).toEqual([text, value]);
    for (const text of refused) expect([text, parsers[kind](text)]).toEqual([text, undefined]);
  });
});

it("lists are read as the kernel reads them", () => {
  const lists = { "0-3,8": "0-3,8", "3,1,2": "1-3", "0-2,2-5": "0-5", "": "", "0-7:1/2": "0,2,4,6", "8-N": "8-15" };
  const read = (text: string) => {
    const list = parseList(text, 15);
    return [text, list && formatList(list)];
  };
  for (const [text, list] of Object.entries({ ...lists, all: "0-15", N: "15", " 1 , 2": "1-2" }))
    expect(read(text)).toEqual([text, list]);
  for (const text of ["3-1", "a", "-1", "0-4000000000", "0-7:3/2"]) expect(read(text)).toEqual([text, undefined]);
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

  it("is nothing in white space, and the whole text of a file that was put in the seed's place", () => {
    for (const content of ["", "\n", " \n\n"]) expect(readWritten(seed, content)).toEqual([]);
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
    expect(lines[2]).toBe("27 21 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755");
  });

  it("goes with /proc/<pid>/cgroup", () => {
    expect(formatProcCgroup("/a").split("\n").slice(-3)).toEqual(["2:cpu,cpuacct:/a", "1:name=systemd:/a", ""]);
  });
});

describe("a cgroupsPath", () => {
  const pod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice";
  it.each([
    ["/kubepods/burstable/pod1/abc", "/kubepods/burstable/pod1/abc"],
    ["kubepods//abc/", "/kubepods/abc"],
    ["/a:b:c", "/a:b:c"],
    ["kubepods-burstable-pod1.slice:cri-containerd:abc", `${pod}/cri-containerd-abc.scope`],
    [":docker:abc", "/system.slice/docker-abc.scope"],
    ["-.slice:x:abc", "/x-abc.scope"],
    ["a.slice:x:b.slice", "/a.slice/b.slice"],
  ])("%s is %s", (given, path) => {
    expect(resolveCgroupsPath(given)).toBe(path);
  });

  const refused = "|/|/a/../../b|..|a--b.slice:x:y|-a.slice:x:y|a:x:y|a/b.slice:x:y|a.slice:x:|a.slice:x:../y|/a\nb";
  it.each(refused.split("|"))("%j is refused", (given) => {
    expect(() => resolveCgroupsPath(given)).toThrow(/^cgroupsPath .* cannot be used: /);
  });
});

describe("a weight", () => {
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
    for (const form of ["linear", "quadratic"] as const)
      expect(toWeight(toShares(toWeight(shares, form), form), form)).toBe(toWeight(shares, form));
  });

  it("tells by which form it was made", () => {
    const forms = [39n, 100n, 500n].map((weight) => findWeightForm(1024n, weight));
    expect([...forms, findWeightForm(2n, 1n)]).toEqual(["linear", "quadratic", undefined, undefined]);
  });

  // ConvertBlkIOToIOWeightValue of opencontainers/cgroups.
  it("of block I/O goes onto io.weight and back", () => {
    expect([1n, 10n, 100n, 500n, 1000n].map(toIoWeight)).toEqual([1n, 1n, 910n, 4950n, 10_000n]);
    for (let weight = 10n; weight <= 1000n; weight++) expect(toBlkioWeight(toIoWeight(weight))).toBe(weight);
  });
});
