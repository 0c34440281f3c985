import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { createNode, idsOf, podsTo } from "./support/owed-deletes.js";

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

  it("that cannot end before we do come again with the next bridge", async () => {
    const { node, hold, delivered, journal } = createNode(observer);
    const { plugin, program } = await node.connect();
    const pods = podsTo(36);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    await until(() => runLines(program).length === 36, 10_000);
    // Two end, the others hang.
    for (const { id } of pods.slice(2)) hold(id);
    for (const pod of pods) await plugin.call("StopPodSandbox", { pod });
    await until(() => delivered().length === 2);
    const askedAt = performance.now();
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
    // They have three seconds, once, and each of them alone would have ten.
    expect(performance.now() - askedAt).toBeLessThan(8_000);
    const of = (wanted: string) => journal().filter(({ stage }) => stage === wanted);
    expect(idsOf(of("deleted"))).toEqual(idsOf(pods.slice(0, 2)));
    expect(of("rerun")).toHaveLength(34);
    expect(delivered()).toHaveLength(2);
  });
});
