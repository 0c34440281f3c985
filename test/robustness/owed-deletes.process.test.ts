import { chmodSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { createNode, idsOf, podsTo } from "./support/owed-deletes.js";
import { markedProcesses } from "./support/processes.js";
import { nextNumber, nthContainer, nthPod } from "./support/subjects.js";
import { shareNode, TestNode } from "./support/test-node.js";

describe("a pod sandbox whose failure containerd 2.1 cannot be told", () => {
  const secret = "s3cr3t-0f-th3-n0d3";
  const shared = shareNode({
    config: { plugins: { slow: { timeoutMs: 200 } } },
    runtime: { version: "2.1.9~ds1" },
  });

  it.each<[string, string, string, (node: TestNode) => void]>([
    [
      "its plugin refuses it",
      "plugin",
      "nri invoke: plugin: plugin: no xxx",
      (node) => node.install("plugin", `answer-error no ${secret}`),
    ],
    ["its plugin takes too long", "slow", "plugin: slow: ", (node) => node.install("slow", "wait 9")],
    [
      "others can write its plugin",
      "plugin",
      "plugin: plugin: the bridge refuses to run",
      (node) => chmodSync(node.bin, 0o777),
    ],
    ["conf.json cannot be read", "plugin", "unable to create nri client: ", (node) => node.writeConfText("{")],
  ])("is held, and in the log, until its create succeeds with a container's: %s", async (_, type, error, fail) => {
    const { node, plugin, program } = shared();
    const mend = () => {
      node.install(type, "answer");
      node.writeConf({ type, conf: { token: secret } });
      chmodSync(node.bin, 0o755);
    };
    mend();
    const n = nextNumber();
    const event = { pod: nthPod(n), container: nthContainer(n) };
    const { pod } = event;
    fail(node);
    expect(await plugin.call("RunPodSandbox", event)).toMatchObject({ response: {} });
    expect(await plugin.call("CreateContainer", event)).toMatchObject({
      // The runtime is told what the plugin said; the log is not.
      error: { message: expect.stringContaining(error.replace("xxx", secret)) },
    });
    mend();
    // It comes after the delete of the attempt before.
    expect(await plugin.call("CreateContainer", event)).toMatchObject({ response: {} });
    for (const name of ["StopPodSandbox", "RemovePodSandbox"] as const) await plugin.call(name, event);
    // The delete of the attempt before may have gone well already.
    const well = () => runLines(program, pod.id).flatMap(({ outcome, state }) => (outcome === "ok" ? [state] : []));
    const sinceCreate = () => well().slice(well().indexOf("create"));
    await until(() => sinceCreate().length === 2);
    expect(sinceCreate()).toEqual(["create", "delete"]);
    const faults = logLines(program).filter(({ id, fault }) => fault !== undefined && id === pod.id);
    expect(faults).toMatchObject([
      { level: "error", pod: `default/${pod.name}`, error: expect.stringContaining(error) },
    ]);
    expect(program.stderrSoFar()).not.toContain(secret);
  });

  it("is held by the bridge that comes after a kill -9, which delivers the delete that was cut short", async () => {
    const pod = nthPod(1);
    const container = nthContainer(1);
    const snapshot = () => ({ pods: [pod], containers: [] });
    const node = new TestNode({ runtime: { version: "2.1.9~ds1", snapshot } });
    const gate = node.makeGate();
    const states = join(node.folder, "states");
    node.install("plugin", "read", "answer-error no");
    node.writeConf("plugin");
    const { plugin, program, runtime } = await node.connect();
    node.install(
      "plugin",
      `save ${states}`,
      `run case $(cat ${states}) in *delete*) ${gate.wait};; esac`,
      "answer-error no",
    );
    expect(await plugin.call("RunPodSandbox", { pod })).toMatchObject({ response: {} });
    await until(() => markedProcesses(node.mark).length > 0);
    program.child.kill("SIGKILL");
    await program.ended;
    node.install("plugin", "answer-error no");
    const next = node.start();
    const again = await runtime.accept(Deadline.after(10_000));
    const statesRun = () => runLines(next, pod.id).map(({ state }) => state);
    await until(() => statesRun().length > 0);
    expect(await again.call("CreateContainer", { pod, container })).toMatchObject({ error: {} });
    await until(() => statesRun().length === 3);
    node.install("plugin", "answer");
    expect(await again.call("CreateContainer", { pod, container })).toMatchObject({ response: {} });
    await again.call("StopPodSandbox", { pod });
    await until(() => statesRun().length === 5);
    expect(statesRun()).toEqual(["delete", "create", "delete", "create", "delete"]);
  });
});

describe("deletes that no call waits for", () => {
  // A call waits for its delete as long as the runtime lets it: not for long here.
  const soon = { requestTimeoutMs: 1_000 };

  it("have their own time, keep no call waiting, and are left to the next bridge when we are asked to end", async () => {
    const requestTimeoutMs = 1_000;
    // A plugin that is run for the removal besides does not make that wait either.
    const plugins = { plugin: { events: { RemovePodSandbox: "removal" } } };
    const { node, hold, run, delivered, journal } = createNode({ config: { plugins }, runtime: { requestTimeoutMs } });
    const { plugin, program, runtime } = await node.connect();
    const pods = podsTo(6);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    program.child.kill("SIGKILL");
    await program.ended;

    const gate = hold();
    const next = node.start();
    const again = await runtime.accept(Deadline.after(10_000));
    await run(next, 1);
    const events = ["StopPodSandbox", "RemovePodSandbox"] as const;
    const answers = await Promise.all(events.map((event) => again.call(event, { pod: nthPod(1) })));
    for (const answer of answers) expect(answer).toMatchObject({ dropped: false, response: {} });
    // Another call would be over by then.
    await sleep(requestTimeoutMs * 1.2);
    next.child.kill("SIGTERM");
    await next.stderrMatches(/is stopping: it waits for running plugins/);
    gate.open();
    expect(await next.ended).toMatchObject({ code: 0 });
    const deletes = runLines(next).filter(({ state }) => state === "delete");
    expect(deletes).toMatchObject([{ id: nthPod(1).id, outcome: "ok" }]);
    expect(Number(deletes[0]?.durationMs)).toBeGreaterThan(requestTimeoutMs);
    expect(delivered()).toEqual([nthPod(1).id]);
    // None is lost, or said to be done.
    expect(journal().map(({ id }) => id)).toEqual(idsOf(pods.slice(1)));
    expect(journal().filter(({ stage }) => stage === "deleted")).toEqual([]);

    node.start();
    await runtime.accept(Deadline.after(10_000));
    await until(() => delivered().length === 6, 10_000);
    expect(delivered().toSorted()).toEqual(idsOf(pods));
  });

  it("are delivered before the end where nothing is kept for a next bridge", async () => {
    const { node, hold, run, delivered } = createNode({ config: { state: "memory" }, runtime: soon });
    const { plugin, program } = await node.connect();
    const pod = nthPod(1);
    const containers = [0, 1, 2, 3].map((n) => nthContainer(1, n));
    await plugin.call("RunPodSandbox", { pod });
    for (const container of containers) await plugin.call("StartContainer", { pod, container });
    const gate = hold(nthContainer(1, 0).id);
    await plugin.call("StopPodSandbox", { pod });
    await run(program, 1);
    program.child.kill("SIGTERM");
    await program.stderrMatches(/is stopping: it waits for running plugins/);
    gate.open();
    expect(await program.ended).toMatchObject({ code: 0 });
    expect(delivered().toSorted()).toEqual(idsOf([pod, ...containers]));
  });
});
