import { confOf, type Scenario, wholeLife } from "./scenario.js";

const plain = { runs: 4, recorded: true } as const;

/** A plugin that says an error and exits 1 at one stage: `create-sandbox`, `delete-container`, ... */
const boom = (stage: string) => `
if [ "$state-$who" = ${stage} ]; then
  printf '{"plugin":"%s","version":"0.1","error":"boom from plugin","metadata":{"by":"%s","state":"%s"}}' "$name" "$name" "$state" | answer 1
  exit 1
fi`;

const two = confOf("recorder", "recorder2");

/** Ends, failures and changes in the order of things. */
export const troubleScenarios: readonly Scenario[] = [
  {
    ...plain,
    name: "self-exit",
    title: "a container that ends by itself",
    async run(life) {
      const pod = await life.runPod({ number: 31 });
      const container = await life.runContainer(pod, { command: ["sh", "-c", "sleep 0.7; exit 3"] });
      await life.waitForExit(container);
      await life.waitForRuns(3);
      await life.end(pod, container);
    },
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
    recorded: false,
    runs: 8,
    name: "two-pods",
    title: "two pods side by side",
    async run(life) {
      const first = await life.runPod({ number: 41 });
      const second = await life.runPod({ number: 43 });
      const container = await life.runContainer(first);
      await life.end(second, await life.runContainer(second));
      await life.waitForRuns(6);
      await life.end(first, container);
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
    runs: 3,
    name: "conf-changes-live",
    title: "conf.json is replaced between the events",
    async run(life) {
      const pod = await life.runPod({ number: 51 });
      await life.writeConf('{"version": "0.1", "plugins": [{"type": "recorder2", "conf": {"v": 2}}]}');
      const container = await life.runContainer(pod);
      await life.writeConf('{"version": "0.1", "plugins": [{"type": "recorder", "conf": {"v": 3}}]}');
      await life.stop(container);
      await life.waitForRuns(3);
      await life.writeConf('{"version":"0.1","plugins":[]}');
      await life.end(pod);
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
  { ...plain, runs: 3, name: "exit1-error@pod-create", ...failing("create-sandbox"), run: wholeLifeOrNone(105) },
  {
    ...plain,
    runs: 7,
    name: "exit1-error@ctr-create",
    ...failing("create-container"),
    run: wholeLife({ number: 106 }),
  },
  {
    ...plain,
    runs: 7,
    name: "exit1-error@ctr-delete",
    ...failing("delete-container"),
    run: wholeLife({ number: 107 }),
  },
  { ...plain, runs: 7, name: "exit1-error@pod-delete", ...failing("delete-sandbox"), run: wholeLife({ number: 108 }) },
];

function failing(stage: string): Pick<Scenario, "title" | "conf" | "behaviour"> {
  return { title: `the first of two plugins fails at ${stage}`, conf: two, behaviour: { recorder: boom(stage) } };
}

/** The whole life, if the sandbox can be started at all. */
function wholeLifeOrNone(number: number): Scenario["run"] {
  return async (life) => {
    const pod = await life.runPod({ number });
    if (pod !== "") await life.end(pod, await life.runContainer(pod));
  };
}
