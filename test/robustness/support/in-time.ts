import { expect } from "vitest";
import { until } from "../../plugin/processes.js";
import { logLines, runLines } from "./log-lines.js";
import type { Misbehaviour } from "./misbehaviours.js";
import { markedProcesses, zombiesOf } from "./processes.js";
import { nextPod } from "./subjects.js";
import { type SharedNode, shareNode } from "./test-node.js";

/** As short as a runtime's plugin_request_timeout reasonably is: a quarter of it is kept for the answer. */
export const shortCallMs = 400;

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

  // Nobody of them is left but who fled, and of those the log tells. Some had no time to flee.
  const told = logLines(program).flatMap(({ id, survivors }) => (id === pod.id ? (survivors ?? []) : []));
  const left = () => markedProcesses(node.mark);
  await until(() => left().length === told.length);
  expect(new Set(left())).toEqual(new Set(told));
  expect(told.length).toBeLessThanOrEqual(deserters * tried.length);
  expect(told.length).toBeGreaterThanOrEqual(deserters);
  expect(await until(() => zombiesOf(pid).length === 0)).toBe(true);
  expect(plugin.closed).toBe(false);
}
