import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { lifeOf, nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

function observing(settings: Readonly<Record<string, unknown>> = {}) {
  return new TestNode({ config: { plugins: { observer: { async: true, ...settings } } } });
}

describe("an observer (async: true)", () => {
  it("is not waited for: the answer comes at once, and the run goes on to its own end", async () => {
    const node = observing();
    node.install("observer", "read", "wait 2", "answer");
    node.install("other", "answer");
    node.writeConf("observer", "other");
    const { plugin, program } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, response: {} });
    expect(answer.durationMs).toBeLessThan(1_000);
    await until(() => runLines(program).length === 2);
    const runs = Object.fromEntries(runLines(program).map((run) => [run.plugin, run]));
    expect(runs).toMatchObject({ other: { outcome: "ok" }, observer: { outcome: "ok" } });
    expect(runs.observer?.durationMs).toBeGreaterThan(1_500);
  });

  it("keeps the order of each container's events, while those of others do not wait for them", async () => {
    const node = observing();
    const seen = join(node.folder, "seen");
    // Each create takes longer than each delete, so that without an order the deletes would be first.
    node.installScript(
      "observer",
      `#!/bin/sh
       request=$(cat); state=\${request#*'"state":"'}; state=\${state%%'"'*}; id=\${request#*'"id":"'}; id=\${id%%'"'*}
       [ "$state" = delete ] || sleep 0.5
       echo "$id $state" >>'${seen}'; echo '{}'`,
    );
    node.writeConf("observer");
    const { plugin } = await node.connect();
    const pods = [1, 2, 3, 4, 5, 6];
    for (const n of pods) {
      for (const [name, subject] of lifeOf(n)) {
        const answer = await plugin.call(name, subject);
        expect(answer).toMatchObject({ dropped: false, response: { update: [] } });
        expect(answer.durationMs).toBeLessThan(1_000);
      }
    }
    const lines = () => (existsSync(seen) ? readFileSync(seen, "utf8").trim().split("\n") : []);
    await until(() => lines().length === pods.length * 4, 10_000);
    const statesOf = (id: string) => lines().flatMap((line) => (line.startsWith(id) ? [line.split(" ")[1]] : []));
    for (const n of pods) {
      expect(statesOf(nthPod(n).id)).toEqual(["create", "delete"]);
      expect(statesOf(nthContainer(n).id)).toEqual(["create", "delete"]);
    }
    // Side by side: the first delete did not wait for the last create.
    const states = lines().map((line) => line.split(" ")[1]);
    expect(states.indexOf("delete")).toBeLessThan(states.lastIndexOf("create"));
  });

  it.each([
    ["reports an error", ["answer-error no"], "reported"],
    ["prints garbage", ["stdout garbage"], "bad-output"],
    ["is killed", ["kill KILL"], "killed"],
    ["hangs, which has a limit of its own", ["ignore-term", "spin"], "timed-out"],
  ])("costs nothing when it fails: one that %s", async (_, plan, outcome) => {
    const node = observing({ timeoutMs: 700 });
    node.install("observer", ...plan);
    node.writeConf("observer");
    const { plugin, program, pid } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, response: {} });
    expect(answer.error).toBeUndefined();
    await until(() => runLines(program).length === 1);
    expect(runLines(program)).toMatchObject([{ outcome }]);
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
    expect(zombiesOf(pid)).toEqual([]);
  });

  it("does not fill the node: of 1,200 that hang 32 run, 1,000 wait, and the rest is dropped, with a word", async () => {
    const node = observing({ timeoutMs: 60_000 });
    node.install("observer", "wait 60");
    node.writeConf("observer");
    const { plugin, program, pid } = await node.connect();
    for (let n = 0; n < 1_200; n++) {
      const { dropped, error } = await plugin.call("RunPodSandbox", { pod: nthPod(n) });
      expect({ dropped, error }).toEqual({ dropped: false, error: undefined });
    }
    const droppedRuns = () => logLines(program).filter(({ msg }) => /an observer's run is dropped/.test(msg));
    await until(() => droppedRuns().length === 168);
    expect(droppedRuns()).toHaveLength(168);
    // A shell and its sleep each.
    expect(markedProcesses(node.mark).length).toBeLessThanOrEqual(64);
    expect(zombiesOf(pid)).toEqual([]);
  });

  it("ends with SIGTERM, within the limit, and leaves nobody behind", async () => {
    const node = observing({ timeoutMs: 60_000 });
    node.install("observer", "wait 60");
    node.writeConf("observer");
    const { plugin, program } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    await until(() => markedProcesses(node.mark).length > 0);
    const startedAt = performance.now();
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    expect(markedProcesses(node.mark)).toEqual([]);
  });
});
