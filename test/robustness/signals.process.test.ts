import { join } from "node:path";
import { expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses } from "./support/processes.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

const stagesIn = (node: TestNode) =>
  Object.fromEntries(readJournalsIn(join(node.folder, "state")).map(({ remembered, stage }) => [remembered.id, stage]));

it("SIGTERM finishes the delete that runs, tells the journal, and ends with 0: the next bridge repeats nothing", async () => {
  const node = new TestNode();
  const gate = node.makeGate();
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, program, runtime } = await node.connect();
  const [stopped, running] = [nthPod(1), nthPod(2)];
  for (const pod of [stopped, running]) await plugin.call("RunPodSandbox", { pod });
  node.install("plugin", "read", `run ${gate.wait}`, "answer");
  const answer = plugin.call("StopPodSandbox", { pod: stopped });
  await until(() => markedProcesses(node.mark).length > 0);
  expect(stagesIn(node)).toEqual({ [stopped.id]: "rerun", [running.id]: "open" });
  program.child.kill("SIGTERM");
  await program.stderrMatches(/is stopping: it waits for running plugins/);
  gate.open();
  expect(await answer).toMatchObject({ dropped: false, response: { update: [] } });
  expect((await program.ended).code).toBe(0);
  expect(runLines(program).at(-1)).toMatchObject({ state: "delete", outcome: "ok" });
  expect(stagesIn(node)).toEqual({ [stopped.id]: "deleted", [running.id]: "open" });

  // The runtime lists none of them: one is owed its delete, the other has had it.
  const next = node.start();
  await runtime.accept(Deadline.after(10_000));
  await until(() => runLines(next).length > 0);
  next.child.kill("SIGTERM");
  expect((await next.ended).code).toBe(0);
  expect(runLines(next).map(({ state, id }) => `${state} ${id}`)).toEqual([`delete ${running.id}`]);
});

it("SIGTERM does not wait longer than the chain may: a plugin that hangs is ended in its time, and nothing is left", async () => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 1_000 } });
  node.install("plugin", "ignore-term", "spin");
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  const answer = plugin.call("RunPodSandbox", { pod: nthPod(1) });
  await until(() => markedProcesses(node.mark).length > 0);
  program.child.kill("SIGTERM");
  // The create that had begun has its answer, in time.
  expect(await answer).toMatchObject({
    dropped: false,
    error: { message: expect.stringMatching(/did not end within/) },
  });
  // What hangs would keep it for ever.
  expect((await program.ended).code).toBe(0);
  expect(markedProcesses(node.mark)).toEqual([]);
});

it("SIGHUP lets the call that runs have its answer before it registers anew", async () => {
  const node = new TestNode();
  const gate = node.makeGate();
  node.install("plugin", "read", `run ${gate.wait}`, "answer-error no");
  node.writeConf("plugin");
  const { plugin, program, runtime } = await node.connect();
  const answer = plugin.call("RunPodSandbox", { pod: nthPod(1) });
  await until(() => markedProcesses(node.mark).length > 0);
  node.writeConfig({ states: ["create", "update", "delete"] });
  program.child.kill("SIGHUP");
  await program.stderrMatches(/reloaded its configuration/);
  gate.open();
  expect(await answer).toMatchObject({ dropped: false, error: { message: "nri invoke: plugin: plugin: no" } });
  const again = await runtime.accept(Deadline.after(10_000));
  expect(again.subscribedTo("UpdateContainer")).toBe(true);
});
