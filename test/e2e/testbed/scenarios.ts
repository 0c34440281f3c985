import { passHandler } from "./containerd-config.js";
import { confOf, type Scenario, wholeLife } from "./scenario.js";

const plain = { runs: 4, recorded: true } as const;

/** The whole life of one pod with one container. */
const whole = (name: string, title: string, ...life: Parameters<typeof wholeLife>): Scenario => ({
  ...{ ...plain, name, title },
  run: wholeLife(...life),
});
const limits = { cpu_shares: 102, memory_limit_in_bytes: 134_217_728 };

/** What a request shows of a pod and its container: resources, namespaces, annotations. Then ends, failures and changes. */
export const scenarios: readonly Scenario[] = [
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
    name: "kill-process",
    title: "the container's process is killed from outside",
    async run(life) {
      const pod = await life.runPod({ number: 44 });
      const container = await life.runContainer(pod);
      await life.kill(container);
      await life.waitForRuns(3);
      await life.end(pod, container);
    },
  },
  {
    ...plain,
    recorded: false,
    name: "killed-pause",
    title: "the pause process is killed from outside",
    async run(life) {
      const pod = await life.runPod({ number: 45 });
      const container = await life.runContainer(pod);
      await life.killPause(pod);
      await life.waitForRuns(3);
      await life.end(pod, container);
    },
  },
  {
    ...plain,
    name: "stop-twice",
    title: "stopped and removed twice",
    async run(life) {
      const pod = await life.runPod({ number: 33 });
      const container = await life.runContainer(pod);
      await life.stop(container);
      await life.stop(container);
      await life.remove(container);
      for (const end of [life.stopPod, life.stopPod, life.removePod, life.removePod]) await end.call(life, pod);
    },
  },
  {
    ...plain,
    runs: 2,
    name: "stop-created",
    title: "a container that never starts",
    async run(life) {
      const pod = await life.runPod({ number: 35 });
      await life.end(pod, await life.create(pod));
    },
  },
  {
    ...plain,
    name: "remove-running",
    title: "a running container is removed",
    async run(life) {
      const pod = await life.runPod({ number: 36 });
      await life.remove(await life.runContainer(pod));
      await life.end(pod);
    },
  },
  {
    ...plain,
    runs: 8,
    name: "two-containers-and-restart",
    title: "two containers, one replaced",
    async run(life) {
      const pod = await life.runPod({ number: 40 });
      const first = await life.runContainer(pod, { name: "a" });
      const other = await life.runContainer(pod, { name: "b" });
      await life.stop(first);
      await life.waitForRuns(4);
      const second = await life.runContainer(pod, { name: "a", attempt: 1 });
      await life.remove(first);
      await life.stop(second);
      await life.waitForRuns(6);
      await life.end(pod, other);
    },
  },
  {
    ...plain,
    runs: 2,
    name: "create-fails",
    title: "a container of an unknown image",
    async run(life) {
      const pod = await life.runPod({ number: 42 });
      await life.create(pod, { image: "localhost/none:none" });
      await life.end(pod);
    },
  },
  {
    ...plain,
    name: "update",
    title: "the resources of a running container are changed",
    async run(life) {
      const pod = await life.runPod({ number: 29 });
      const resources = { cpu_shares: 512, memory_limit_in_bytes: 134_217_728 };
      const container = await life.runContainer(pod, { resources });
      await life.update(container, {
        cpu_shares: 1024,
        cpu_quota: 80_000,
        cpu_period: 100_000,
        memory_limit_in_bytes: 268_435_456,
        cpuset_cpus: "0",
      });
      await life.end(pod, container);
    },
  },
  {
    ...plain,
    recorded: false,
    name: "runtime-restart",
    title: "the runtime is restarted while a pod runs",
    async run(life) {
      const pod = await life.runPod({ number: 52 });
      const container = await life.runContainer(pod);
      await life.daemon.restart();
      await life.end(pod, container);
    },
  },
  failing("pod-create", 3, async (life) => {
    const pod = await life.runPod({ number: 105 });
    if (pod !== "") await life.end(pod, await life.runContainer(pod));
  }),
  failing("ctr-create", 7, wholeLife({ number: 106 })),
  failing("ctr-delete", 7, wholeLife({ number: 107 })),
];

/** The first of two plugins says an error and exits 1 at one stage. */
function failing(stage: "pod-create" | "ctr-create" | "ctr-delete", runs: number, run: Scenario["run"]): Scenario {
  const [who, state] = stage.split("-");
  const recorder = `
if [ "$state-$who" = ${state}-${who === "pod" ? "sandbox" : "container"} ]; then
  printf '{"plugin":"%s","version":"0.1","error":"boom from plugin","metadata":{"by":"%s","state":"%s"}}' "$name" "$name" "$state" | answer 1
  exit 1
fi`;
  return {
    ...{ ...plain, name: `exit1-error@${stage}`, title: `the first of two plugins fails at ${stage}` },
    ...{ conf: confOf("recorder", "recorder2"), behaviour: { recorder }, runs, run },
  };
}
