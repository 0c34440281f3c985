import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { createNode, idsOf, podsTo } from "./support/owed-deletes.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

const observer = {
  config: { plugins: { plugin: { async: true } } },
  // The end waits for as long, three seconds at least.
  runtime: { requestTimeoutMs: 3_000 },
};

describe("deletes of observers", () => {
  it("that run at a kill -9, or wait their turn, come again with the next bridge", async () => {
    const { node, hold, run, delivered, journal } = createNode(observer);
    const { plugin, program, runtime } = await node.connect();
    // So many run at a time.
    const [most, count] = [32, 36];
    const pods = podsTo(count);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    await until(() => runLines(program).length === count, 10_000);
    const gate = hold();
    for (const pod of pods) {
      await plugin.call("StopPodSandbox", { pod });
      await plugin.call("RemovePodSandbox", { pod });
    }
    expect(await run(program, most)).toBe(true);
    program.child.kill("SIGKILL");
    await program.ended;
    expect(journal().filter(({ stage }) => stage === "rerun")).toHaveLength(count);
    node.start();
    await runtime.accept(Deadline.after(10_000));
    gate.open();
    await until(() => new Set(delivered()).size === count, 15_000);
    expect([...new Set(delivered())].toSorted()).toEqual(idsOf(pods));
  });
});

it("a delete that takes longer than its call, and than the end waits for other work, is finished all the same", async () => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 1_000 } });
  node.install("plugin", `run case $(cat) in *'"state":"delete"'*) sleep 4 ;; esac`, "answer");
  node.writeConf("plugin");
  const { plugin, program, runtime } = await node.connect();
  await plugin.call("RunPodSandbox", { pod: nthPod(1) });
  expect(await plugin.call("StopPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false, response: {} });
  program.child.kill("SIGTERM");
  expect((await program.ended).code).toBe(0);
  expect(runLines(program).at(-1)).toMatchObject({ state: "delete", outcome: "ok" });

  const next = node.start();
  await runtime.accept(Deadline.after(10_000));
  next.child.kill("SIGTERM");
  expect((await next.ended).code).toBe(0);
  expect(runLines(next)).toEqual([]);
});
