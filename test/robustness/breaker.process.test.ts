import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { nthPod } from "./support/subjects.js";
import { type ConnectedNode, TestNode } from "./support/test-node.js";

const pauseMs = 1_000;
const breaker = { failures: 3, pauseMs };

/** What the n-th pod's create is answered with, and how its plugin's run went. */
async function create({ plugin, program }: ConnectedNode, n: number) {
  const pod = nthPod(n);
  const { dropped, error } = await plugin.call("RunPodSandbox", { pod });
  await until(() => runLines(program).some(({ id }) => id === pod.id));
  const [run] = runLines(program).filter(({ id, plugin: of }) => id === pod.id && of === "broken");
  return { dropped, error: error?.message ?? null, outcome: run?.outcome };
}

const breakerStates = ({ program }: ConnectedNode) => logLines(program).flatMap(({ breaker: state }) => state ?? []);

describe("a plugin that fails three times in a row, with breaker: {failures: 3, pauseMs: 1000}", () => {
  it.each([
    { onFailure: "fail", rejects: true },
    { onFailure: "ignore", rejects: false },
    { onFailure: "continue", rejects: false },
  ])("is not started for a while, and costs what onFailure: $onFailure says", async ({ onFailure, rejects }) => {
    const node = new TestNode({ config: { plugins: { broken: { breaker, onFailure: { create: onFailure } } } } });
    node.install("broken", `run echo run >>'${node.folder}/runs'`, "wait 0.2", "answer-error no");
    node.install("healthy", "answer");
    node.writeConf("broken", "healthy");
    const connected = await node.connect();
    for (let n = 0; n < 3; n++)
      expect(await create(connected, n)).toMatchObject({ dropped: false, outcome: "reported" });
    await connected.program.stderrMatches(/"breaker":"open"/);

    const startedAt = performance.now();
    for (let n = 3; n < 6; n++) {
      const { outcome, error } = await create(connected, n);
      expect(outcome).toBe("skipped");
      expect(error).toEqual(
        rejects ? expect.stringMatching(/not run: it failed 3 times in a row, tried again in 1 s \(breaker\)/) : null,
      );
    }
    // Three runs would have taken as long as the plugin's own waits.
    expect(performance.now() - startedAt).toBeLessThan(600);
    // The rest of the chain is as onFailure has it.
    const healthy = runLines(connected.program).filter(({ plugin }) => plugin === "healthy");
    expect(healthy).toHaveLength(onFailure === "continue" ? 6 : 0);
    expect(breakerStates(connected)).toEqual(["open"]);
  });

  it("is tried again after the pause, once at a time, and is back when that goes well", async () => {
    const node = new TestNode({ config: { plugins: { broken: { breaker } } } });
    node.install("broken", "answer-error no");
    node.writeConf("broken");
    const connected = await node.connect();
    for (let n = 0; n < 4; n++) await create(connected, n);
    await sleep(pauseMs + 50);
    // It fails again, and has another pause; other pods that come meanwhile do not try.
    node.install("broken", "wait 0.5", "answer-error no");
    const both = await Promise.all([create(connected, 4), create(connected, 5)]);
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(["reported", "skipped"]);
    expect(await create(connected, 6)).toMatchObject({ outcome: "skipped" });
    await sleep(pauseMs + 50);
    node.install("broken", "answer");
    for (let n = 7; n < 10; n++) expect(await create(connected, n)).toMatchObject({ outcome: "ok", error: null });
    expect(breakerStates(connected).at(-1)).toBe("closed");
  });

  it("is not touched by others, by successes in between, or by a registration anew", async () => {
    const node = new TestNode({ config: { plugins: { broken: { breaker }, healthy: { breaker } } } });
    node.install("broken", "answer-error no");
    node.install("healthy", "answer");
    node.writeConf("broken");
    const connected = await node.connect();
    for (let n = 0; n < 12; n++) {
      node.writeConf(n % 3 === 2 ? "healthy" : "broken");
      node.install("broken", n % 3 === 1 ? "answer" : "answer-error no");
      const { outcome } = await create(connected, n);
      if (n % 3 !== 2) expect(outcome).not.toBe("skipped");
    }
    expect(breakerStates(connected)).toEqual([]);
  });
});
