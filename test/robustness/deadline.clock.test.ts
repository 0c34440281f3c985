import { expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { misbehaviours } from "./support/misbehaviours.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** As short as a runtime's plugin_request_timeout reasonably is: a quarter of it is kept for the answer. */
const callMs = 500;
/** The first has what the call leaves it, the others so much each: more than one of them has its turn. */
const names = Array.from({ length: 11 }, (_, n) => `plugin-${n}`);
const chains = [names.slice(0, 1), names.slice(1, 4), names.slice(1)] as const;
const plugins = Object.fromEntries(names.slice(1).map((name) => [name, { timeoutMs: 50 }]));

it.each(misbehaviours.map((misbehaviour) => [misbehaviour.title, misbehaviour] as const))(
  "a call of 500 ms is answered in time when each of 1, 3 and 10 plugins %s",
  async (_, { plan, outcome, deserters }) => {
    const node = new TestNode({
      // So little stdout is too much already: who prints is ended by that, and not by the time.
      config: { onFailure: { create: "continue" }, limits: { stdoutBytes: 65_536 }, killAfterMs: 30, plugins },
      runtime: { requestTimeoutMs: callMs },
    });
    for (const name of names) node.install(name, ...plan);
    const { plugin, program, pid } = await node.connect();

    for (const [n, chain] of chains.entries()) {
      node.writeConf(...chain);
      const pod = nthPod(n);
      const answer = await plugin.call("RunPodSandbox", { pod });
      expect(answer).toMatchObject({ dropped: false, response: {} });
      expect(answer.durationMs).toBeLessThan(callMs);

      // Every plugin is accounted for: those that had their turn, and those for which no time was left.
      const ofPod = () => runLines(program).filter(({ id }) => id === pod.id);
      await until(() => ofPod().length === chain.length);
      expect(ofPod().map((run) => run.plugin)).toEqual(chain);
      const tried = ofPod().filter((run) => run.outcome !== "skipped");
      expect(tried.map((run) => run.outcome)).toEqual(tried.map(() => outcome));
      expect(tried.length).toBeGreaterThan(chain.length === 1 ? 0 : 1);

      // Nobody of them is left but who fled, and of those the log tells. Some had no time to flee.
      const told = logLines(program).flatMap(({ id, survivors }) => (id === pod.id ? (survivors ?? []) : []));
      const left = () => markedProcesses(node.mark);
      await until(() => left().length === told.length);
      expect(new Set(left())).toEqual(new Set(told));
      expect(told.length).toBeLessThanOrEqual(deserters * tried.length);
      expect(told.length).toBeGreaterThanOrEqual(deserters);
      expect(await until(() => zombiesOf(pid).length === 0)).toBe(true);
      for (const survivor of left()) process.kill(survivor, "SIGKILL");
      await until(() => left().length === 0);
    }
    expect(plugin.closed).toBe(false);
  },
);
