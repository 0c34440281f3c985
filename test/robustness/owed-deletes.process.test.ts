import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { until } from "../legacy/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { markedProcesses } from "./support/processes.js";
import { nthContainer, nthPod } from "./support/subjects.js";
import { TestNode, type TestNodeOptions } from "./support/test-node.js";

/** A node whose plugin takes so many seconds for a delete, and notes it when it is done. */
function nodeWith(seconds: number, options: TestNodeOptions = {}) {
  const node = new TestNode(options);
  const note = join(node.folder, "deleted");
  node.installScript(
    "plugin",
    `#!/bin/sh
request=$(cat); state=\${request#*'"state":"'}; state=\${state%%'"'*}; id=\${request#*'"id":"'}; id=\${id%%'"'*}
[ "$state" = delete ] && { sleep ${seconds}; echo "$id" >>'${note}'; }
echo '{"version":"0.1","error":""}'
`,
  );
  node.writeConf("plugin");
  return {
    node,
    delivered: () => (existsSync(note) ? readFileSync(note, "utf8").trim().split("\n") : []),
    journal: () => readJournalsIn(join(node.folder, "state")).map(({ remembered: { id }, stage }) => ({ id, stage })),
  };
}

const idsOf = (pods: readonly { readonly id: string }[]) => pods.map(({ id }) => id).toSorted();
const podsTo = (last: number) => Array.from({ length: last }, (_, n) => nthPod(n + 1));
const observer = { config: { plugins: { plugin: { async: true } } } };

describe("a pod sandbox whose failure containerd 2.1 cannot be told", () => {
  const secret = "s3cr3t-0f-th3-n0d3";

  it.each<[string, string, (node: TestNode) => void]>([
    [
      "its plugin refuses it",
      "nri invoke: plugin: plugin: no xxx",
      (node) => node.install("plugin", `answer-error no ${secret}`),
    ],
    ["its plugin takes too long", "plugin: plugin: ", (node) => node.install("plugin", "wait 9")],
    ["others can write its plugin", "plugin: plugin: refused to run", (node) => chmodSync(node.bin, 0o777)],
    ["conf.json cannot be read", "unable to create nri client: ", (node) => node.writeConfText("{")],
  ])("starts, is in the log, and has its one delete: %s", async (_, error, fail) => {
    const node = new TestNode({ runtime: { version: "2.1.9~ds1", requestTimeoutMs: 400 } });
    const mend = () => {
      node.install("plugin", "answer");
      node.writeConf({ type: "plugin", conf: { token: secret } });
      chmodSync(node.bin, 0o755);
    };
    mend();
    const { plugin, program } = await node.connect();
    const pod = { pod: nthPod(1) };
    fail(node);
    expect(await plugin.call("RunPodSandbox", pod)).toMatchObject({ response: {} });
    mend();
    for (const event of ["StopPodSandbox", "RemovePodSandbox"] as const) await plugin.call(event, pod);
    await until(() => runLines(program).some(({ state }) => state === "delete"));
    expect(runLines(program).filter(({ state }) => state === "delete")).toHaveLength(1);
    expect(logLines(program).filter(({ fault }) => fault !== undefined)).toMatchObject([
      { level: "error", pod: "default/pod-1", error: expect.stringContaining(error) },
    ]);
    expect(program.stderrSoFar()).not.toContain(secret);
  });
});

describe("deletes that no call waits for", () => {
  it("are left to the next bridge when we are asked to end, and none is lost or said to be done", async () => {
    const { node, delivered, journal } = nodeWith(0.4);
    const { plugin, program, runtime } = await node.connect();
    const pods = podsTo(6);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    program.child.kill("SIGKILL");
    await program.ended;
    const next = node.start();
    await runtime.accept(Deadline.after(10_000));
    await until(() => markedProcesses(node.mark).length > 0);
    next.child.kill("SIGTERM");
    expect(await next.ended).toMatchObject({ code: 0 });
    const done = journal().filter(({ stage }) => stage === "deleted");
    expect(idsOf(done)).toEqual(delivered().toSorted());
    expect(delivered().length).toBeLessThan(6);
    node.start();
    await runtime.accept(Deadline.after(10_000));
    await until(() => delivered().length === 6, 10_000);
    expect(delivered().toSorted()).toEqual(idsOf(pods));
  });

  it("have ten seconds of their own, not what is left to a call", async () => {
    const { node, delivered } = nodeWith(3);
    const { plugin, program, runtime } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    program.child.kill("SIGKILL");
    await program.ended;
    const next = node.start();
    const again = await runtime.accept(Deadline.after(10_000));
    await until(() => markedProcesses(node.mark).length > 0);
    // A call for the same pod does not wait for its end.
    const { error, durationMs } = await again.call("StopPodSandbox", { pod: nthPod(1) });
    expect(error).toBeUndefined();
    expect(durationMs).toBeLessThan(2_000);
    await until(() => runLines(next).length > 0, 12_000);
    expect(runLines(next)).toMatchObject([{ state: "delete", outcome: "ok" }]);
    expect(delivered()).toEqual([nthPod(1).id]);
  });

  it("keep no call waiting for its end, nor one that a plugin is run for besides", async () => {
    const { node } = nodeWith(5, { config: { plugins: { plugin: { events: { RemovePodSandbox: "removal" } } } } });
    const { plugin, program, runtime } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    program.child.kill("SIGKILL");
    await program.ended;
    node.start();
    const again = await runtime.accept(Deadline.after(10_000));
    await until(() => markedProcesses(node.mark).length > 0);
    for (const event of ["StopPodSandbox", "RemovePodSandbox"] as const) {
      expect(await again.call(event, { pod: nthPod(1) })).toMatchObject({ dropped: false, response: {} });
    }
  });

  it("come after a create of our own that takes long", async () => {
    const container = { ...nthContainer(1), pid: 1 };
    const snapshot = () => ({ pods: [nthPod(1)], containers: [container] });
    const node = new TestNode({ config: { synchronize: "create" }, runtime: { requestTimeoutMs: 1_000, snapshot } });
    node.install("plugin", "read", "wait 0.5", "answer");
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    await until(() => markedProcesses(node.mark).length > 0);
    for (const event of ["StopContainer", "RemoveContainer"] as const) {
      expect(await plugin.call(event, { pod: nthPod(1), container })).toMatchObject({ dropped: false, response: {} });
    }
    await until(() => runLines(program).length === 2, 5_000);
    expect(runLines(program)).toMatchObject([
      { state: "create", outcome: "ok" },
      { state: "delete", outcome: "ok" },
    ]);
  });

  it("are delivered before the end where nothing is kept for a next bridge", async () => {
    const { node, delivered } = nodeWith(0.3, { config: { state: "memory" } });
    const { plugin, program } = await node.connect();
    const pod = nthPod(1);
    const containers = [0, 1, 2, 3].map((n) => nthContainer(1, n));
    await plugin.call("RunPodSandbox", { pod });
    for (const container of containers) await plugin.call("StartContainer", { pod, container });
    await plugin.call("StopPodSandbox", { pod });
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
    expect(delivered().toSorted()).toEqual(idsOf([pod, ...containers]));
  });

  it("of containers come also when their pod is removed before them", async () => {
    const { node, delivered, journal } = nodeWith(0.2);
    const { plugin } = await node.connect();
    const pod = nthPod(1);
    const containers = [0, 1, 2, 3].map((n) => nthContainer(1, n));
    await plugin.call("RunPodSandbox", { pod });
    for (const container of containers) await plugin.call("StartContainer", { pod, container });
    await plugin.call("StopPodSandbox", { pod });
    await plugin.call("RemovePodSandbox", { pod });
    await until(() => delivered().length === 5, 10_000);
    expect(delivered().toSorted()).toEqual(idsOf([pod, ...containers]));
    await until(() => journal().length === 0, 2_000);
    expect(journal()).toEqual([]);
  });
});

describe("deletes of observers", () => {
  it.each([
    ["running", 5],
    ["waiting their turn", 40],
  ])("that are %s at a kill -9 come again with the next bridge", async (_, count) => {
    const { node, delivered, journal } = nodeWith(1, observer);
    const { plugin, program, runtime } = await node.connect();
    const pods = podsTo(count);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    await until(() => runLines(program).length === count, 10_000);
    for (const pod of pods) {
      await plugin.call("StopPodSandbox", { pod });
      await plugin.call("RemovePodSandbox", { pod });
    }
    program.child.kill("SIGKILL");
    await program.ended;
    expect(journal().filter(({ stage }) => stage === "rerun")).toHaveLength(count - delivered().length);
    node.start();
    await runtime.accept(Deadline.after(10_000));
    await until(() => new Set(delivered()).size === count, 25_000);
    expect([...new Set(delivered())].toSorted()).toEqual(idsOf(pods));
  });

  it("that cannot end before we do come again with the next bridge", async () => {
    const { node, delivered, journal } = nodeWith(2, observer);
    const { plugin, program } = await node.connect();
    const pods = podsTo(100);
    for (const pod of pods) await plugin.call("RunPodSandbox", { pod });
    await until(() => runLines(program).length === 100, 10_000);
    for (const pod of pods) await plugin.call("StopPodSandbox", { pod });
    const askedAt = performance.now();
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
    // They have three seconds, once.
    expect(performance.now() - askedAt).toBeLessThan(5_000);
    const of = (wanted: string) => journal().filter(({ stage }) => stage === wanted);
    expect(idsOf(of("deleted"))).toEqual(delivered().toSorted());
    expect(of("rerun")).toHaveLength(100 - delivered().length);
    expect(delivered().length).toBeLessThan(100);
  });
});
