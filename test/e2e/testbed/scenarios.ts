import { passHandler } from "./containerd-config.js";
import { confOf, type Scenario, wholeLife } from "./scenario.js";
import { troubleScenarios } from "./scenarios-trouble.js";

const plain = { runs: 4, recorded: true } as const;

/** Resources, namespaces, annotations: what a request shows of a pod and its container. */
const contentScenarios: readonly Scenario[] = [
  { ...plain, name: "basic-hostnet", title: "host network, the whole life", run: wholeLife({ number: 1 }) },
  {
    ...plain,
    name: "basic-podnet",
    title: "a network namespace of the pod's own",
    run: wholeLife({ number: 2, network: "POD", hostname: "podnet" }),
  },
  {
    ...plain,
    name: "no-labels-no-annotations",
    title: "no labels, annotations and resources",
    run: wholeLife({ number: 3, bare: true }, { bare: true }),
  },
  {
    ...plain,
    name: "resources-cpu",
    title: "cpu shares, quota, period and sets",
    run: wholeLife(
      { number: 5 },
      {
        resources: {
          cpu_shares: 512,
          cpu_quota: 50_000,
          cpu_period: 100_000,
          cpuset_cpus: "0-1",
          cpuset_mems: "0",
          oom_score_adj: 500,
        },
      },
    ),
  },
  {
    ...plain,
    name: "resources-memory",
    title: "a memory limit",
    run: wholeLife({ number: 6 }, { resources: { cpu_shares: 102, memory_limit_in_bytes: 134_217_728 } }),
  },
  {
    ...plain,
    name: "resources-hugepages",
    title: "hugepage limits",
    recordedNeeds: "hugetlb",
    run: wholeLife(
      { number: 8 },
      {
        resources: {
          cpu_shares: 102,
          memory_limit_in_bytes: 134_217_728,
          hugepage_limits: [
            { page_size: "2MB", limit: 4_194_304 },
            { page_size: "1GB", limit: 0 },
          ],
        },
      },
    ),
  },
  {
    ...plain,
    name: "resources-unlimited-quota",
    title: "no cpu quota, and a memory limit beyond 2^53",
    run: wholeLife(
      { number: 9 },
      {
        resources: {
          cpu_shares: 262_144,
          cpu_quota: -1,
          cpu_period: 100_000,
          memory_limit_in_bytes: "9007199254740993",
        },
      },
    ),
  },
  {
    ...plain,
    name: "ns-pod-pid",
    title: "one pid namespace for the whole pod",
    run: wholeLife({ number: 17, network: "POD", pid: "POD", hostname: "h" }),
  },
  {
    ...plain,
    name: "cgroup-none",
    title: "no cgroup parent",
    run: wholeLife({ number: 14, cgroupParent: null }),
  },
  {
    ...plain,
    recorded: false,
    name: "cgroup-systemd-name",
    title: "a cgroup parent named as systemd does",
    run: wholeLife({
      number: 15,
      cgroupParent: (uid) =>
        `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uid.replaceAll("-", "_")}.slice`,
    }),
  },
  {
    ...plain,
    recorded: false,
    name: "privileged",
    title: "a privileged pod and container",
    run: wholeLife({ number: 16, privileged: true }, { privileged: true }),
  },
  {
    ...plain,
    name: "annotations-passed",
    title: "a handler that lets annotations through",
    run: wholeLife(
      { number: 20, annotations: { "example.com/pod-note": "hello", both: "pod", "x<y": '&\u2028"' } },
      { annotations: { "example.com/ctr-note": "world", both: "ctr" } },
      passHandler,
    ),
  },
  {
    ...plain,
    name: "device-and-mounts",
    title: "a device and a bind mount",
    run: wholeLife(
      { number: 22 },
      {
        mounts: [{ host_path: "/tmp", container_path: "/mnt/t", readonly: true }],
        devices: [{ host_path: "/dev/zero", container_path: "/dev/myzero", permissions: "rw" }],
      },
    ),
  },
  {
    ...plain,
    runs: 12,
    name: "chained",
    title: "three plugins, with and without conf",
    conf: '{"version":"0.1","plugins":[{"type":"recorder","conf":{"first":1}},{"type":"recorder2"},{"type":"recorder3","conf":{"third":[1,2,{"z":null,"a":true}]}}]}',
    run: wholeLife({ number: 26 }),
  },
  {
    ...plain,
    name: "conf-bytes",
    title: "a conf with white space, duplicate keys and odd numbers",
    conf: '{"version":"0.1","plugins":[{"type":"recorder","conf": { "z" : 1 ,\n\t"a":2, "a":3, "u":"\\u00e9\\u003c\\/ <>&\u00e9\u2028","big":12345678901234567890,"f":1.0,"e":1E400,"neg":-0, "arr":[ 1 , 2 ] } }]}',
    run: wholeLife({ number: 55 }),
  },
  {
    ...plain,
    runs: 12,
    name: "result-shapes",
    title: "results with unknown keys and other names",
    conf: confOf("recorder", "recorder2", "recorder3"),
    behaviour: {
      recorder: `printf '%s' '{"version":"9.9","extra":{"x":1},"metadata":{"z":"<&>","a":"\\u2028\\u00e9"},"plugin":"another name","error":""}' | answer; exit`,
      recorder2: "printf '{}' | answer; exit",
    },
    run: wholeLife({ number: 28 }),
  },
  {
    ...plain,
    recorded: false,
    runs: 12,
    name: "compiled-plugin",
    title: "a compiled plugin between two scripts",
    conf: confOf("recorder", "ccplugin", "recorder2"),
    needs: "compiler",
    run: wholeLife({ number: 60 }),
  },
];

/** Plugins that act on the node instead of answering something. */
const effectScenarios: readonly Scenario[] = [
  {
    ...plain,
    recorded: false,
    name: "clearcfs",
    title: "a plugin takes the cpu quota off",
    conf: confOf("clearcfs", "recorder", "labels"),
    needs: "cgroupV1",
    async run(life) {
      const pod = await life.runPod({ number: 61 }, passHandler);
      const resources = { cpu_shares: 512, cpu_quota: 50_000, cpu_period: 100_000 };
      const cleared = await life.runContainer(pod, { name: "a", resources, annotations: { "qos.class": "ls" } });
      const kept = await life.runContainer(pod, { name: "b", resources });
      for (const container of [cleared, kept]) await life.observeCgroup(pod, container, "cpu", "cpu.cfs_quota_us");
      await life.end(pod, cleared, kept);
    },
    runs: 6,
    observes: ["cpu.cfs_quota_us: -1", "cpu.cfs_quota_us: 50000"],
  },
];

/** Every scenario. */
export const scenarios: readonly Scenario[] = [...contentScenarios, ...effectScenarios, ...troubleScenarios];
