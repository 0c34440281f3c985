import { expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

/** As short as a runtime's plugin_request_timeout reasonably is: a quarter of it is kept for the answer. */
const callMs = 400;
const shared = shareNode({
  config: {
    onFailure: { create: "continue" },
    // So little stdout is too much already: who prints is ended by that, and not by the time.
    limits: { stdoutBytes: 65_536 },
    killAfterMs: 30,
    timeoutMs: 50,
  },
  runtime: { requestTimeoutMs: callMs },
});

/** Twenty generations, each of which starts the next and waits: a tree so deep, and never more. */
const forkChain = `chain() { if [ "$1" -gt 0 ]; then chain $(($1 - 1)) & fi; sleep 30; }; chain 20`;

// What becomes of those that leave the group: test/plugin. A machine whose processors are all in use: deadline.slow.test.ts.
it.each([
  ["sleeps and never reads its request", ["wait 30"]],
  ["uses the CPU and ignores SIGTERM", ["ignore-term", "spin"]],
  ["has stopped its group", ["stop"]],
  ["ignores SIGTERM and has stopped itself", ["ignore-term", "run kill -STOP $$", "spin"]],
  ["has a child hold its stdout", ["background 30", "wait 30"]],
  ["has closed its stdout and stderr", ["run exec 1>&- 2>&-", "wait 30"]],
  ["prints without end", ["flood stdout"], "output-too-large"],
  ["logs without end", ["flood stderr"]],
  ["starts a chain of processes", [`run ${forkChain}`]],
])("a call of 400 ms is answered in time when each of 3 plugins %s", async (_, plan, outcome = "timed-out") => {
  const { node, plugin, program, pid } = shared();
  const names = ["plugin-0", "plugin-1", "plugin-2"];
  for (const name of names) node.install(name, ...plan);
  node.writeConf(...names);
  const pod = nextPod();
  const { dropped, response, durationMs } = await plugin.call("RunPodSandbox", { pod });
  expect({ dropped, response }).toMatchObject({ dropped: false, response: {} });
  expect(durationMs).toBeLessThan(callMs);

  // Every plugin is accounted for: those that had their turn, and those for which no time was left.
  const runs = () => runLines(program, pod.id);
  await until(() => runs().length === names.length);
  expect(runs().map((run) => run.plugin)).toEqual(names);
  const tried = runs().filter((run) => run.outcome !== "skipped");
  // On a busy machine one may come to nothing within its 50 ms.
  expect(tried[0]?.outcome).toBe(outcome);
  for (const run of tried) expect([outcome, "timed-out"]).toContain(run.outcome);
  expect(tried.length).toBeGreaterThan(1);

  expect(await until(() => markedProcesses(node.mark).length + zombiesOf(pid).length === 0)).toBe(true);
  expect(logLines(program).flatMap(({ id, survivors }) => (id === pod.id ? (survivors ?? []) : []))).toEqual([]);
  expect(plugin.closed).toBe(false);
});
