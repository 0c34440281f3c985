import { describe, expect, it } from "vitest";
import { fateOf, type Place } from "../../src/cgroup/fields.js";
import { seedFiles } from "../../src/cgroup/tree.js";
import { machine } from "./support.js";

/**
 * Each file of a cgroup v1 that can be written, by the names of Linux 4.19 to 6.18 (Documentation/admin-guide/cgroup-v1,
 * cftypes of kernel/, mm/, block/, net/core, security/), and what becomes of a write to it: in phase create on v1 and on v2, in
 * phase start on v1 and on v2.
 */
const table = `
  lost lost file lost:
    cgroup.clone_children notify_on_release cpu.cfs_burst_us cpu.idle cpu.uclamp.min cpu.uclamp.max
    cpuset.cpu_exclusive cpuset.mem_exclusive cpuset.mem_hardwall cpuset.memory_migrate cpuset.memory_spread_page
    cpuset.memory_spread_slab cpuset.sched_load_balance cpuset.sched_relax_domain_level
    memory.move_charge_at_immigrate blkio.leaf_weight blkio.leaf_weight_device blkio.prio.class net_cls.classid
    net_prio.ifpriomap hugetlb.2MB.rsvd.limit_in_bytes freezer.state rdma.max misc.max
  lost lost lost lost:
    cgroup.procs tasks cgroup.event_control
  resources resources resources resources:
    cpu.shares cpu.cfs_quota_us cpu.cfs_period_us cpuset.cpus cpuset.mems memory.limit_in_bytes
    hugetlb.2MB.limit_in_bytes pids.max
  resources lost resources lost:
    cpu.rt_runtime_us cpu.rt_period_us
  none none file none:
    cpuacct.usage memory.force_empty memory.failcnt memory.max_usage_in_bytes memory.memsw.failcnt
    memory.memsw.max_usage_in_bytes memory.kmem.failcnt memory.kmem.max_usage_in_bytes memory.kmem.tcp.failcnt
    memory.kmem.tcp.max_usage_in_bytes blkio.reset_stats hugetlb.2MB.failcnt hugetlb.2MB.max_usage_in_bytes
    hugetlb.2MB.rsvd.failcnt hugetlb.2MB.rsvd.max_usage_in_bytes
  lost lost resources resources:
    memory.soft_limit_in_bytes memory.memsw.limit_in_bytes
  lost lost resources lost:
    memory.kmem.limit_in_bytes memory.kmem.tcp.limit_in_bytes memory.swappiness memory.oom_control
    memory.use_hierarchy
  lost resources file resources:
    blkio.throttle.read_bps_device blkio.throttle.write_bps_device blkio.throttle.read_iops_device
    blkio.throttle.write_iops_device blkio.weight blkio.weight_device blkio.bfq.weight blkio.bfq.weight_device
  resources resources file lost:
    devices.allow devices.deny
`;
const rows = [...table.matchAll(/^ {2}(\w.*):\n((?: {4}.*\n)+)/gm)].flatMap(([, fates = "", names = ""]) =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => [name, ...fates.split(" ")]),
);
const places: readonly Place[] = (["create", "start"] as const).flatMap((phase) =>
  ([1, 2] as const).map((version) => ({ phase, version })),
);
const files = new Map(seedFiles({ machine }).map(({ file }) => [file.file, file]));
const fateIn = (name: string, place: Place, isReal: boolean) => {
  const file = files.get(name);
  return file === undefined ? undefined : fateOf(file, place, isReal);
};
describe("a write to", () => {
  it.each(rows)("%s becomes on v1 and v2 %s and %s, in phase start %s and %s", (name, ...fates) => {
    const found = places.map((place) => fateIn(name, place, place.phase === "start" && place.version === 1));
    expect(found.map((fate) => (typeof fate === "object" ? "lost" : fate))).toEqual(fates);
  });

  it("any other file of a view is one that the kernel does not take", () => {
    const named = new Set(rows.map(([name]) => name));
    const others = [...files.keys()].filter((name) => !named.has(name) && !name.startsWith("hugetlb.1GB."));
    expect(others.length).toBeGreaterThan(15);
    const fates = others.flatMap((name) => places.map((place) => fateIn(name, place, true)));
    expect(new Set(fates.map((fate) => typeof fate))).toEqual(new Set(["object"]));
  });

  it.each([
    ["net_cls.classid", "create", 1, "NRI does not pass this on: set `phase: start`, where the bridge writes"],
    ["net_cls.classid", "create", 2, "neither NRI nor the cgroup takes this setting: leave it out"],
    ["memory.soft_limit_in_bytes", "create", 2, "NRI does not pass this on: set `phase: start`"],
    ["memory.swappiness", "create", 2, "neither NRI nor the cgroup takes this setting: leave it out"],
    ["blkio.weight", "create", 1, "NRI does not pass this on: set `phase: start`"],
    ["devices.allow", "start", 2, "this cannot be changed in phase start: set `phase: create`"],
    ["pids.max", "update", 2, "this cannot be changed in phase update: leave it out"],
    ["cpu.shares", "delete", 2, "the container is ending: write the value at the create"],
    ["cgroup.procs", "create", 2, "only the runtime writes this file: leave it out, or set `cgroup: host`"],
  ] as const)("%s in phase %s on v%i says: %s", (name, phase, version, text) => {
    expect(fateIn(name, { phase, version }, false)).toEqual({ lost: expect.stringContaining(text) });
  });

  it("the cgroup of a recording, of which no version is known, is as good as made", () => {
    const inRecording = (name: string, phase: "create" | "start") => fateIn(name, { phase, version: "unknown" }, false);
    expect(inRecording("blkio.weight", "create")).toBe("resources");
    expect(inRecording("net_cls.classid", "start")).toBe("file");
  });
});
