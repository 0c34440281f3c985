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

export const hierarchies = mounted.map((names) => {
  /** Below cgroupRoot. */
  const directory = names.join(",");
  const controllers: readonly [ControllerName, ...ControllerName[]] = names;
  /** What /proc/<pid>/cgroup and the mount options call it. */
  const option = directory === "systemd" ? "name=systemd" : directory;
  /** Links beside the directory that lead to it. */
  const links: readonly ControllerName[] = names.length > 1 ? names : [];
  return { directory, controllers, option, links };
});
