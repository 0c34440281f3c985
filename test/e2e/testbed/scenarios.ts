import { passHandler } from "./containerd-config.js";
import { confOf, type Scenario, wholeLife } from "./scenario.js";
import { troubleScenarios } from "./scenarios-trouble.js";

const plain = { runs: 4, recorded: true } as const;

/** The whole life of one pod with one container. */
const whole = (name: string, title: string, ...life: Parameters<typeof wholeLife>): Scenario => ({
  ...{ ...plain, name, title },
  run: wholeLife(...life),
});
const limits = { cpu_shares: 102, memory_limit_in_bytes: 134_217_728 };

/** Resources, namespaces, annotations: what a request shows of a pod and its container. */
const contentScenarios: readonly Scenario[] = [
  whole("basic-hostnet", "host network, the whole life", { number: 1 }),
  whole("basic-podnet", "a network namespace of the pod's own", { number: 2, network: "POD", hostname: "podnet" }),
  whole("no-labels-no-annotations", "no labels, annotations and resources", { number: 3, bare: true }, { bare: true }),
  whole(
    "resources-cpu",
    "cpu shares, quota, period and sets",
    { number: 5 },
    {
      resources: {
        ...{ cpu_shares: 512, cpu_quota: 50_000, cpu_period: 100_000 },
        ...{ cpuset_cpus: "0-1", cpuset_mems: "0", oom_score_adj: 500 },
      },
    },
  ),
  whole("resources-memory", "a memory limit", { number: 6 }, { resources: limits }),
  {
    ...whole(
      "resources-hugepages",
      "hugepage limits",
      { number: 8 },
      {
        resources: {
          ...limits,
          hugepage_limits: [
            { page_size: "2MB", limit: 4_194_304 },
            { page_size: "1GB", limit: 0 },
          ],
        },
      },
    ),
    recordedNeeds: "hugetlb",
  },
  whole(
    "resources-unlimited-quota",
    "no cpu quota, and a memory limit beyond 2^53",
    { number: 9 },
    {
      resources: {
        ...{ cpu_shares: 262_144, cpu_quota: -1, cpu_period: 100_000 },
        memory_limit_in_bytes: "9007199254740993",
      },
    },
  ),
  whole("ns-pod-pid", "one pid namespace for the whole pod", {
    number: 17,
    network: "POD",
    pid: "POD",
    hostname: "h",
  }),
  whole("cgroup-none", "no cgroup parent", { number: 14, cgroupParent: null }),
  {
    ...whole("cgroup-systemd-name", "a cgroup parent named as systemd does", {
      number: 15,
      cgroupParent: (uid) =>
        `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uid.replaceAll("-", "_")}.slice`,
    }),
    recorded: false,
  },
  {
    ...whole("privileged", "a privileged pod and container", { number: 16, privileged: true }, { privileged: true }),
    recorded: false,
  },
  whole(
    "annotations-passed",
    "a handler that lets annotations through",
    { number: 20, annotations: { "example.com/pod-note": "hello", both: "pod", "x<y": '&\u2028"' } },
    { annotations: { "example.com/ctr-note": "world", both: "ctr" } },
    passHandler,
  ),
  whole(
    "device-and-mounts",
    "a device and a bind mount",
    { number: 22 },
    {
      mounts: [{ host_path: "/tmp", container_path: "/mnt/t", readonly: true }],
      devices: [{ host_path: "/dev/zero", container_path: "/dev/myzero", permissions: "rw" }],
    },
  ),
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
