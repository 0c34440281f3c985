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
  ["rdma"],
  ["misc"],
] as const;

/** A cgroup v1 controller, or systemd's hierarchy, which has none. */
export type ControllerName = (typeof mounted)[number][number];

/** One mounted v1 hierarchy. */
interface Hierarchy {
  /** Its directory below /sys/fs/cgroup. */
  readonly directory: string;
  readonly controllers: readonly [ControllerName, ...ControllerName[]];
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
