import { type Carried, fieldFiles, line, type V1File } from "./fields.js";
import { lineFiles } from "./line-files.js";
import { accept, type Machine } from "./machine.js";

export const cgroupRoot = "/sys/fs/cgroup";

/** The hierarchies of a node with cgroup v1, as systemd mounts them. */
const mounted = [
  ...([["systemd"], ["cpu", "cpuacct"], ["cpuset"], ["memory"], ["devices"], ["freezer"], ["blkio"]] as const),
  ...([["pids"], ["hugetlb"], ["net_cls", "net_prio"], ["perf_event"], ["rdma"], ["misc"]] as const),
] as const;

/** A cgroup v1 controller, or systemd's hierarchy, which has none. */
export type ControllerName = (typeof mounted)[number][number];

export const hierarchies = mounted.map((names) => {
  /** The hierarchy's directory below cgroupRoot. */
  const directory = names.join(",");
  const controllers: readonly [ControllerName, ...ControllerName[]] = names;
  /** The hierarchy's name in /proc/<pid>/cgroup and in the mount options. */
  const option = directory === "systemd" ? "name=systemd" : directory;
  /** The names of symbolic links to the directory, which stand next to the directory. */
  const links: readonly ControllerName[] = names.length > 1 ? names : [];
  return { directory, controllers, option, links };
});

// The files below have no field in LinuxResources. The source is a cgroup v1 of Linux 6.18, and for the files that this kernel
// leaves out (blkio.weight, cpu.uclamp, net_cls, net_prio, rdma, misc) Documentation/admin-guide/cgroup-v1 and the kernel's
// cftypes.

type Kind = Carried["kind"];
type Files = { readonly [K in Kind]?: Readonly<Record<string, string>> };

const zeros = (...files: readonly string[]) => Object.fromEntries(files.map((file) => [file, "0\n"]));

const counters = ["memory", "memory.memsw", "memory.kmem", "memory.kmem.tcp"];
const memoryKeys = "cache rss rss_huge shmem mapped_file dirty writeback swap pgpgin pgpgout pgfault pgmajfault";
const memoryStat = `${memoryKeys} inactive_anon active_anon inactive_file active_file unevictable`
  .split(" ")
  .map((key) => `${key} 0\ntotal_${key} 0\n`)
  .join("");

/** The files that every cgroup has in each hierarchy; cgroup.procs and tasks list the container's processes. */
const everyCgroup: Files = {
  process: { "cgroup.procs": "", tasks: "" },
  setting: zeros("cgroup.clone_children", "notify_on_release"),
};

const files: { readonly [C in ControllerName]?: Files } = {
  cpu: {
    setting: { ...zeros("cpu.cfs_burst_us", "cpu.idle"), "cpu.uclamp.min": "0.00\n", "cpu.uclamp.max": "max\n" },
    read: { "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n" },
  },
  cpuacct: {
    reset: zeros("cpuacct.usage"),
    read: { "cpuacct.stat": "user 0\nsystem 0\n", "cpuacct.usage_percpu": "0 \n" },
  },
  cpuset: {
    setting: {
      ...zeros("cpuset.cpu_exclusive", "cpuset.mem_exclusive", "cpuset.mem_hardwall", "cpuset.memory_migrate"),
      ...zeros("cpuset.memory_spread_page", "cpuset.memory_spread_slab"),
      "cpuset.sched_load_balance": "1\n",
      "cpuset.sched_relax_domain_level": "-1\n",
    },
    read: zeros("cpuset.memory_pressure"),
  },
  memory: {
    setting: zeros("memory.move_charge_at_immigrate"),
    reset: {
      ...zeros(...counters.flatMap((prefix) => [`${prefix}.failcnt`, `${prefix}.max_usage_in_bytes`])),
      "memory.force_empty": "",
    },
    process: { "cgroup.event_control": "" },
    read: {
      ...zeros(...counters.map((prefix) => `${prefix}.usage_in_bytes`)),
      "memory.stat": memoryStat,
      "memory.pressure_level": "",
    },
  },
  devices: { read: { "devices.list": "a *:* rwm\n" } },
  freezer: {
    setting: { "freezer.state": "THAWED\n" },
    read: zeros("freezer.self_freezing", "freezer.parent_freezing"),
  },
  blkio: {
    setting: { "blkio.leaf_weight": "500\n", "blkio.leaf_weight_device": "", "blkio.prio.class": "no-change\n" },
    reset: { "blkio.reset_stats": "" },
    read: { "blkio.throttle.io_service_bytes": "Total 0\n", "blkio.throttle.io_serviced": "Total 0\n" },
  },
  pids: { read: { "pids.current": "0\n", "pids.events": "max 0\n" } },
  net_cls: { setting: zeros("net_cls.classid") },
  net_prio: { setting: { "net_prio.ifpriomap": "" }, read: { "net_prio.prioidx": "1\n" } },
  rdma: { setting: { "rdma.max": "" } },
  misc: { setting: { "misc.max": "" } },
};

function hugetlb({ hugepages }: Machine): Files {
  const sizes = hugepages.map(({ name }) => `hugetlb.${name}`);
  const both = sizes.flatMap((prefix) => [prefix, `${prefix}.rsvd`]);
  return {
    setting: Object.fromEntries(sizes.map((prefix) => [`${prefix}.rsvd.limit_in_bytes`, `${2n ** 63n - 4096n}\n`])),
    reset: zeros(...both.flatMap((prefix) => [`${prefix}.failcnt`, `${prefix}.max_usage_in_bytes`])),
    read: zeros(...both.map((prefix) => `${prefix}.usage_in_bytes`)),
  };
}

const kinds = ["setting", "reset", "process", "read"] as const satisfies readonly Kind[];

function plainFile(controller: ControllerName, kind: Kind, file: string, content: string): V1File {
  return {
    ...{ controller, file, kind, phases: [], unset: content.trimEnd() },
    current: () => undefined,
    assign: () => {},
    parse: accept,
    print: line,
    byLine: content.indexOf("\n") !== content.length - 1,
  };
}

/** All files of a cgroup of v1, each with the directory of its hierarchy. */
export function v1Files(machine: Machine): readonly { readonly directory: string; readonly file: V1File }[] {
  const fields = [...fieldFiles(machine), ...lineFiles];
  const ofKinds = (controller: ControllerName, some: Files = {}) =>
    kinds.flatMap((kind) =>
      Object.entries(some[kind] ?? {}).map(([file, content]) => plainFile(controller, kind, file, content)),
    );
  return hierarchies.flatMap(({ directory, controllers }) => {
    const own = controllers.flatMap((name) => ofKinds(name, name === "hugetlb" ? hugetlb(machine) : files[name]));
    const withField = fields.filter(({ controller }) => controllers.includes(controller));
    return [...ofKinds(controllers[0], everyCgroup), ...own, ...withField].map((file) => ({ directory, file }));
  });
}
