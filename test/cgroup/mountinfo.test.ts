import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseCgroupMounts, resolveCgroupsPath } from "../../src/cgroup/container-cgroup.js";
import { formatMountinfo, formatProcCgroup } from "../../src/cgroup/tree.js";

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
