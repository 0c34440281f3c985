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
  cgroup.clone_children             lost      lost      file      lost
  notify_on_release                 lost      lost      file      lost
  cgroup.procs                      lost      lost      lost      lost
  tasks                             lost      lost      lost      lost
  cpu.shares                        resources resources resources resources
  cpu.cfs_quota_us                  resources resources resources resources
  cpu.cfs_period_us                 resources resources resources resources
  cpu.cfs_burst_us                  lost      lost      file      lost
  cpu.rt_runtime_us                 resources lost      resources lost
  cpu.rt_period_us                  resources lost      resources lost
  cpu.idle                          lost      lost      file      lost
  cpu.uclamp.min                    lost      lost      file      lost
  cpu.uclamp.max                    lost      lost      file      lost
  cpuacct.usage                     none      none      file      none
  cpuset.cpus                       resources resources resources resources
  cpuset.mems                       resources resources resources resources
  cpuset.cpu_exclusive              lost      lost      file      lost
  cpuset.mem_exclusive              lost      lost      file      lost
  cpuset.mem_hardwall               lost      lost      file      lost
  cpuset.memory_migrate             lost      lost      file      lost
  cpuset.memory_spread_page         lost      lost      file      lost
  cpuset.memory_spread_slab         lost      lost      file      lost
  cpuset.sched_load_balance         lost      lost      file      lost
  cpuset.sched_relax_domain_level   lost      lost      file      lost
  memory.limit_in_bytes             resources resources resources resources
  memory.soft_limit_in_bytes        lost      lost      resources resources
  memory.memsw.limit_in_bytes       lost      lost      resources resources
  memory.kmem.limit_in_bytes        lost      lost      resources lost
  memory.kmem.tcp.limit_in_bytes    lost      lost      resources lost
  memory.swappiness                 lost      lost      resources lost
  memory.oom_control                lost      lost      resources lost
  memory.use_hierarchy              lost      lost      resources lost
  memory.move_charge_at_immigrate   lost      lost      file      lost
  memory.force_empty                none      none      file      none
  memory.failcnt                    none      none      file      none
  memory.max_usage_in_bytes         none      none      file      none
  memory.memsw.failcnt              none      none      file      none
  memory.memsw.max_usage_in_bytes   none      none      file      none
  memory.kmem.failcnt               none      none      file      none
  memory.kmem.max_usage_in_bytes    none      none      file      none
  memory.kmem.tcp.failcnt           none      none      file      none
  memory.kmem.tcp.max_usage_in_bytes none     none      file      none
  cgroup.event_control              lost      lost      lost      lost
  blkio.throttle.read_bps_device    lost      resources file      resources
  blkio.throttle.write_bps_device   lost      resources file      resources
  blkio.throttle.read_iops_device   lost      resources file      resources
  blkio.throttle.write_iops_device  lost      resources file      resources
  blkio.weight                      lost      resources file      resources
  blkio.weight_device               lost      resources file      resources
  blkio.bfq.weight                  lost      resources file      resources
  blkio.bfq.weight_device           lost      resources file      resources
  blkio.leaf_weight                 lost      lost      file      lost
  blkio.leaf_weight_device          lost      lost      file      lost
  blkio.prio.class                  lost      lost      file      lost
  blkio.reset_stats                 none      none      file      none
  devices.allow                     resources resources file      lost
  devices.deny                      resources resources file      lost
  net_cls.classid                   lost      lost      file      lost
  net_prio.ifpriomap                lost      lost      file      lost
  hugetlb.2MB.limit_in_bytes        resources resources resources resources
  hugetlb.2MB.rsvd.limit_in_bytes   lost      lost      file      lost
  hugetlb.2MB.failcnt               none      none      file      none
  hugetlb.2MB.max_usage_in_bytes    none      none      file      none
  hugetlb.2MB.rsvd.failcnt          none      none      file      none
  hugetlb.2MB.rsvd.max_usage_in_bytes none    none      file      none
  pids.max                          resources resources resources resources
  freezer.state                     lost      lost      file      lost
  rdma.max                          lost      lost      file      lost
  misc.max                          lost      lost      file      lost
`;
const rows = table
  .trim()
  .split("\n")
  .map((line) => line.trim().split(/\s+/));
const places: readonly Place[] = (["create", "start"] as const).flatMap((phase) =>
  ([1, 2] as const).map((version) => ({ phase, version })),
);
const files = new Map(seedFiles({ machine }).map(({ file }) => [file.file, file]));
const fateIn = (name: string, place: Place, isReal: boolean) => {
  const file = files.get(name);
  return file === undefined ? undefined : fateOf(file, place, isReal);
};
const textOf = (name: string, place: Place) => {
  const fate = fateIn(name, place, false);
  return typeof fate === "object" ? fate.lost : "";
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
    for (const name of others)
      for (const place of places)
        expect([name, fateIn(name, place, true)]).toEqual([name, { lost: expect.any(String) }]);
  });

  it.each<[string, Place, string]>([
    [
      "net_cls.classid",
      { phase: "create", version: 1 },
      "NRI does not carry it: set `phase: start`, where it is written",
    ],
    [
      "net_cls.classid",
      { phase: "create", version: 2 },
      "neither NRI nor this cgroup has such a setting: leave it out",
    ],
    ["net_cls.classid", { phase: "start", version: 1 }, "neither NRI nor this cgroup has such a setting: leave it out"],
    ["memory.soft_limit_in_bytes", { phase: "create", version: 2 }, "NRI does not carry it: set `phase: start`"],
    [
      "memory.swappiness",
      { phase: "create", version: 2 },
      "neither NRI nor this cgroup has such a setting: leave it out",
    ],
    ["blkio.weight", { phase: "create", version: 1 }, "NRI does not carry it: set `phase: start`"],
    ["devices.allow", { phase: "start", version: 2 }, "it cannot be changed in phase start: set `phase: create`"],
    ["pids.max", { phase: "update", version: 2 }, "it cannot be changed in phase update: leave it out"],
    ["cpu.shares", { phase: "delete", version: 2 }, "the container ends: write it at the create"],
    [
      "cgroup.procs",
      { phase: "create", version: 2 },
      "processes are the runtime's: leave it out, or set `cgroup: host`",
    ],
  ])("%s that is lost in %o says so: %s", (name, place, text) => {
    expect(textOf(name, place)).toContain(text);
  });

  it("the cgroup of a recording, of which no version is known, is as good as made", () => {
    const inRecording = (name: string, phase: "create" | "start") => fateIn(name, { phase, version: "unknown" }, false);
    expect([inRecording("blkio.weight", "create"), inRecording("net_cls.classid", "start")]).toEqual([
      "resources",
      "file",
    ]);
  });
});
