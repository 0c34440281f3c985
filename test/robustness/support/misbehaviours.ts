import { expect } from "vitest";
import { until } from "../../plugin/processes.js";
import { runLines } from "./log-lines.js";
import { markedProcesses, zombiesOf } from "./processes.js";
import { nextPod } from "./subjects.js";
import { type SharedNode, shareNode } from "./test-node.js";

/** What a plugin can do wrong, as steps of the programmable plugin, and what becomes of its run. */
export interface Misbehaviour {
  readonly title: string;
  readonly plan: readonly string[];
  readonly outcome: "timed-out" | "output-too-large";
  /** How many of its processes leave its group, and so live on. */
  readonly deserters: number;
}

const timedOut = { outcome: "timed-out", deserters: 0 } as const;

/** Twenty generations, each of which starts the next and waits: a tree so deep, and never more. */
const forkChain = `chain() { if [ "$1" -gt 0 ]; then chain $(($1 - 1)) & fi; sleep 30; }; chain 20`;
const forkFlat = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; wait";

export const misbehaviours: readonly Misbehaviour[] = [
  { title: "sleeps", plan: ["read", "wait 30"], ...timedOut },
  { title: "sleeps and never reads its request", plan: ["wait 30"], ...timedOut },
  { title: "uses the CPU", plan: ["read", "spin"], ...timedOut },
  { title: "uses the CPU and ignores SIGTERM", plan: ["ignore-term", "spin"], ...timedOut },
  { title: "has stopped its group", plan: ["stop"], ...timedOut },
  { title: "ignores SIGTERM and has stopped itself", plan: ["ignore-term", "run kill -STOP $$", "spin"], ...timedOut },
  { title: "has a child hold its stdout", plan: ["background 30", "wait 30"], ...timedOut },
  { title: "has closed its stdout and stderr", plan: ["run exec 1>&- 2>&-", "wait 30"], ...timedOut },
  { title: "prints without end", plan: ["flood stdout"], outcome: "output-too-large", deserters: 0 },
  { title: "logs without end", plan: ["flood stderr"], ...timedOut },
  { title: "starts ten processes", plan: [`run ${forkFlat}`], ...timedOut },
  { title: "starts a chain of processes", plan: [`run ${forkChain}`], ...timedOut },
  { title: "has a child in a session of its own", plan: ["daemon 30", "wait 30"], outcome: "timed-out", deserters: 1 },
];

/** As short as a runtime's plugin_request_timeout reasonably is: a quarter of it is kept for the answer. */
const shortCallMs = 400;

/** A node whose calls are as short, and whose plugins have 50 ms each, but for the one called `alone`: that has the call's. */
export function shareHurriedNode(): () => SharedNode {
  return shareNode({
    config: {
      onFailure: { create: "continue" },
      // So little stdout is too much already: who prints is ended by that, and not by the time.
      limits: { stdoutBytes: 65_536 },
      killAfterMs: 30,
      timeoutMs: 50,
      plugins: { alone: { timeoutMs: null } },
    },
    runtime: { requestTimeoutMs: shortCallMs },
  });
}

/** Has a create run a chain of so many plugins that all misbehave, and looks at the answer, the log, and what is left. */
export async function expectAnswerInTime(
  { node, plugin, program, pid }: SharedNode,
  { plan, outcome, deserters }: Misbehaviour,
  count: number,
): Promise<void> {
  const names = count === 1 ? ["alone"] : Array.from({ length: count }, (_, n) => `plugin-${n}`);
  for (const name of names) node.install(name, ...plan);
  node.writeConf(...names);
  const pod = nextPod();
  const { dropped, response, durationMs } = await plugin.call("RunPodSandbox", { pod });
  expect({ dropped, response }).toMatchObject({ dropped: false, response: {} });
  expect(durationMs).toBeLessThan(shortCallMs);

  // Every plugin is accounted for: those that had their turn, and those for which no time was left.
  const runs = () => runLines(program, pod.id);
  await until(() => runs().length === count);
  expect(runs().map((run) => run.plugin)).toEqual(names);
  const tried = runs().filter((run) => run.outcome !== "skipped");
  // On a busy machine one may come to nothing within its 50 ms.
  expect(tried[0]?.outcome).toBe(outcome);
  for (const run of tried) expect([outcome, "timed-out"]).toContain(run.outcome);
  expect(tried.length).toBeGreaterThan(count === 1 ? 0 : 1);

  // None of them is left but those that fled. Some had no time to flee.
  const isRight = (left: number) => left >= deserters && left <= deserters * tried.length;
  await until(() => isRight(markedProcesses(node.mark).length));
  expect(markedProcesses(node.mark).length).toSatisfy(isRight);
  expect(await until(() => zombiesOf(pid).length === 0)).toBe(true);
  expect(plugin.closed).toBe(false);
}
