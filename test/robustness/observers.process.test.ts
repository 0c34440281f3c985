import { describe, expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

describe("an observer (async: true)", () => {
  const async = true;
  const shared = shareNode({
    config: { plugins: { observer: { async, timeoutMs: 60_000 }, limited: { async, timeoutMs: 300 } } },
    // The end waits for as long, three seconds at least.
    runtime: { requestTimeoutMs: 3_000 },
  });

  it("is not waited for: the answer comes at once, and the run goes on to its own end", async () => {
    const { node, plugin, program } = shared();
    const gate = node.makeGate();
    node.install("observer", "read", `run ${gate.wait}`, "answer");
    node.install("other", "answer");
    node.writeConf("observer", "other");
    const pod = nextPod();
    expect(await plugin.call("RunPodSandbox", { pod })).toMatchObject({ dropped: false, response: {} });
    await expect.poll(() => runLines(program, pod.id)).toMatchObject([{ plugin: "other", outcome: "ok" }]);
    gate.open();
    await until(() => runLines(program, pod.id).length === 2);
    expect(runLines(program, pod.id).at(-1)).toMatchObject({ plugin: "observer", outcome: "ok" });
  });

  it.each([
    ["reports an error", ["answer-error no"], "reported"],
    ["hangs, which has a limit of its own", ["ignore-term", "spin"], "timed-out"],
  ])("costs nothing when it fails: one that %s", async (_, plan, outcome) => {
    const { node, plugin, program, pid } = shared();
    const name = outcome === "timed-out" ? "limited" : "observer";
    node.install(name, ...plan);
    node.writeConf(name);
    const pod = nextPod();
    const answer = await plugin.call("RunPodSandbox", { pod });
    expect(answer).toMatchObject({ dropped: false, response: {} });
    expect(answer.error).toBeUndefined();
    await until(() => runLines(program, pod.id).length === 1);
    expect(runLines(program, pod.id)).toMatchObject([{ outcome }]);
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
    expect(zombiesOf(pid)).toEqual([]);
  });

  it("ends with SIGTERM, within the limit, and leaves nobody behind", async () => {
    const { node, plugin, program } = shared();
    node.install("observer", "wait 60");
    node.writeConf("observer");
    await plugin.call("RunPodSandbox", { pod: nextPod() });
    await until(() => markedProcesses(node.mark).length > 0);
    const startedAt = performance.now();
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    // Its own time is a minute.
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    expect(markedProcesses(node.mark)).toEqual([]);
  });
});
