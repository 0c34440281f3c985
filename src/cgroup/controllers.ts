export const cgroupRoot = "/sys/fs/cgroup";

/**
 * The hierarchies of a node with cgroup v1, as systemd mounted them: cpu with cpuacct, net_cls with net_prio.
 * containerd/cgroups keeps the controllers whose directory exists, and drops those that do not hold the path.
 */
const mounted = [
  ["systemd"],
  ["cpu", "cpuacct"],
  ["cpuset"],
  ["memory"],
  ["devices"],
  ["freezer"],
  ["blkio"],
  ["pids"],
  ["hugetlb"],
  ["net_cls", "net_prio"],
  ["perf_event"],
] as const;

/** A cgroup v1 controller, or systemd's hierarchy, which has none. */
export type ControllerName = (typeof mounted)[number][number];

/** One mounted v1 hierarchy. */
interface Hierarchy {
  /** Its directory below /sys/fs/cgroup. */
  readonly directory: string;
  readonly controllers: readonly ControllerName[];
  /** What /proc/<pid>/cgroup and the mount options call it. */
  readonly option: string;
  /** Links beside the directory that lead to it. */
  readonly links: readonly string[];
}

export const hierarchies: readonly Hierarchy[] = mounted.map((controllers) => {
  const directory = controllers.join(",");
  return {
    directory,
    controllers,
    option: directory === "systemd" ? "name=systemd" : directory,
    links: controllers.length > 1 ? controllers : [],
  };
});

const zero = "0\n";
const usage = (prefix: string): Record<string, string> => ({
  [`${prefix}.usage_in_bytes`]: zero,
  [`${prefix}.max_usage_in_bytes`]: zero,
  [`${prefix}.failcnt`]: zero,
});

const throttled = "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n";
const memoryStat = ["cache", "rss", "rss_huge", "shmem", "mapped_file", "dirty", "writeback", "swap"]
  .concat(["pgpgin", "pgpgout", "pgfault", "pgmajfault"])
  .concat(["inactive_anon", "active_anon", "inactive_file", "active_file", "unevictable"])
  .map((key) => `${key} 0\ntotal_${key} 0\n`)
  .join("");

/**
 * The files of a new cgroup that have no field in LinuxResources, with what the kernel prints there: they are in a view so
 * that a plugin finds them, and so that a write to one can be reported. Listed from a cgroup v1 of Linux 6.18 and, for what
 * that kernel leaves out (blkio.weight, net_cls, net_prio), from Documentation/admin-guide/cgroup-v1.
 */
export const plainFiles: Readonly<Record<ControllerName, Readonly<Record<string, string>>>> = {
  systemd: {},
  cpu: { "cpu.stat": throttled },
  cpuacct: { "cpuacct.usage": zero, "cpuacct.stat": "user 0\nsystem 0\n", "cpuacct.usage_percpu": "0 \n" },
  cpuset: {
    "cpuset.cpu_exclusive": zero,
    "cpuset.mem_exclusive": zero,
    "cpuset.mem_hardwall": zero,
    "cpuset.memory_migrate": zero,
    "cpuset.memory_pressure": zero,
    "cpuset.memory_spread_page": zero,
    "cpuset.memory_spread_slab": zero,
    "cpuset.sched_load_balance": "1\n",
    "cpuset.sched_relax_domain_level": "-1\n",
  },
  memory: {
    ...usage("memory"),
    ...usage("memory.memsw"),
    ...usage("memory.kmem"),
    ...usage("memory.kmem.tcp"),
    "memory.stat": memoryStat,
    "memory.force_empty": "",
    "memory.move_charge_at_immigrate": zero,
    "memory.pressure_level": "",
    "cgroup.event_control": "",
  },
  devices: { "devices.allow": "", "devices.deny": "", "devices.list": "a *:* rwm\n" },
  freezer: { "freezer.state": "THAWED\n", "freezer.self_freezing": zero, "freezer.parent_freezing": zero },
  blkio: {
    "blkio.weight": "500\n",
    "blkio.weight_device": "",
    "blkio.leaf_weight": "500\n",
    "blkio.leaf_weight_device": "",
    "blkio.throttle.read_bps_device": "",
    "blkio.throttle.write_bps_device": "",
    "blkio.throttle.read_iops_device": "",
    "blkio.throttle.write_iops_device": "",
    "blkio.throttle.io_service_bytes": "Total 0\n",
    "blkio.throttle.io_serviced": "Total 0\n",
    "blkio.reset_stats": "",
  },
  pids: { "pids.current": zero, "pids.events": "max 0\n" },
  hugetlb: {},
  net_cls: { "net_cls.classid": zero },
  net_prio: { "net_prio.prioidx": "1\n", "net_prio.ifpriomap": "" },
  perf_event: {},
};

/** In the directory of every cgroup; the processes are the container's. */
export const processFiles = ["cgroup.procs", "tasks"] as const;
export const commonFiles: Readonly<Record<string, string>> = {
  "cgroup.clone_children": zero,
  notify_on_release: zero,
};
