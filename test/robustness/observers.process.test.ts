import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { lifeOf, nextNumber, nextPod, nthContainer, nthPod } from "./support/subjects.js";
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

  it("keeps the order of each container's events, while those of others do not wait for them", async () => {
    const { node, plugin } = shared();
    const seen = join(node.folder, "seen");
    const pods = [nextNumber(), nextNumber(), nextNumber()];
    const [held = 0, ...free] = pods;
    const gate = node.makeGate();
    // The creates of one pod wait; without an order its deletes would be first.
    node.installScript(
      "observer",
      `#!/bin/sh
       read -r request; state=\${request#*'"state":"'}; state=\${state%%'"'*}; id=\${request#*'"id":"'}; id=\${id%%'"'*}
       case $state$id in create${nthPod(held).id} | create${nthContainer(held).id}) ${gate.wait} ;; esac
       echo "$id $state" >>'${seen}'; echo '{}'`,
    );
    node.writeConf("observer");
    for (const n of pods) {
      for (const [name, subject] of lifeOf(n)) {
        expect(await plugin.call(name, subject)).toMatchObject({ dropped: false, response: { update: [] } });
      }
    }
    const lines = () => (existsSync(seen) ? readFileSync(seen, "utf8").trim().split("\n") : []);
    const statesOf = (id: string) => lines().flatMap((line) => (line.startsWith(id) ? [line.split(" ")[1]] : []));
    const idsOf = (n: number) => [nthPod(n).id, nthContainer(n).id];
    await until(() => lines().length === free.length * 4, 10_000);
    for (const id of free.flatMap(idsOf)) expect(statesOf(id)).toEqual(["create", "delete"]);
    for (const id of idsOf(held)) expect(statesOf(id)).toEqual([]);
    gate.open();
    await until(() => lines().length === pods.length * 4, 10_000);
    for (const id of idsOf(held)) expect(statesOf(id)).toEqual(["create", "delete"]);
  });

  it.each([
    ["reports an error", ["answer-error no"], "reported"],
    ["prints garbage", ["stdout garbage"], "bad-output"],
    ["is killed", ["kill KILL"], "killed"],
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

  it("does not fill the node: of 40 that hang 32 run", async () => {
    const { node, plugin, program, pid } = shared();
    const gate = node.makeGate();
    node.installScript("observer", `#!/bin/sh\n${gate.wait}\necho '{}'\n`);
    node.writeConf("observer");
    const pods = Array.from({ length: 40 }, nextPod);
    for (const pod of pods) {
      const { dropped, error } = await plugin.call("RunPodSandbox", { pod });
      expect({ dropped, error }).toEqual({ dropped: false, error: undefined });
    }
    const ran = () => pods.filter(({ id }) => runLines(program, id).length > 0).length;
    await until(() => markedProcesses(node.mark).length === 32);
    expect({ run: markedProcesses(node.mark).length, ran: ran() }).toEqual({ run: 32, ran: 0 });
    gate.open();
    expect(await until(() => ran() === 40, 10_000)).toBe(true);
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
