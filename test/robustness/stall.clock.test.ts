import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { nextPod } from "./support/subjects.js";
import { type ConnectedNode, TestNode } from "./support/test-node.js";

const callMs = 1_200;

/** A process without a processor, as under a cgroup's quota. */
async function stall(pid: number, ms: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await sleep(ms);
  process.kill(pid, "SIGCONT");
}

interface Row {
  readonly title: string;
  readonly plan: readonly string[];
  readonly play: (node: ConnectedNode) => Promise<void>;
}

/** It reads an event late: the runtime's time has been running since. */
const waited = (stallMs: number): Row => ({
  title: `answers an event that waited ${stallMs} ms for it in the runtime's time`,
  plan: ["wait 30"],
  async play({ plugin, pid }) {
    const stalled = stall(pid, stallMs);
    const { dropped, error, durationMs } = await plugin.call("RunPodSandbox", { pod: nextPod() });
    await stalled;
    expect(dropped).toBe(false);
    expect(error?.message).toMatch(/did not end within/);
    expect(durationMs).toBeLessThan(callMs);
  },
});

const rows: readonly Row[] = [
  waited(300),
  waited(600),
  {
    title: "delivers a delete all the same that waited longer than its call has",
    plan: ["read", "answer"],
    async play({ plugin, pid, program }) {
      const pod = nextPod();
      await plugin.call("RunPodSandbox", { pod });
      const stalled = stall(pid, callMs + 200);
      expect(await plugin.call("StopPodSandbox", { pod })).toMatchObject({ dropped: true });
      await stalled;
      await until(() => runLines(program).length === 2);
      expect(runLines(program).at(-1)).toMatchObject({ state: "delete", outcome: "ok" });
    },
  },
  {
    title: "gives an event that comes after it all its time",
    plan: ["read", "wait 0.6", "answer"],
    async play({ plugin, pid }) {
      await stall(pid, callMs - 100);
      // It is awake again when it has answered something.
      await plugin.call("StopPodSandbox", { pod: nextPod() });
      const answer = await plugin.call("RunPodSandbox", { pod: nextPod() });
      expect(answer).toMatchObject({ dropped: false, response: {} });
    },
  },
];

describe("a bridge that did not run for a while", () => {
  // Side by side, each on a node of its own: they do nothing but wait.
  const nodes = rows.map((row) => ({
    ...row,
    node: new TestNode({ runtime: { requestTimeoutMs: callMs } }, afterAll),
  }));
  const connected = new Map<TestNode, ConnectedNode>();
  beforeAll(async () => {
    for (const { node, plan } of nodes) {
      node.install("plugin", ...plan);
      node.writeConf("plugin");
      connected.set(node, await node.connect());
    }
  });

  it.concurrent.for(nodes.map((row) => [row.title, row] as const))("%s", async ([, { node, play }]) => {
    const own = connected.get(node);
    if (own === undefined) throw new Error("the node is not connected");
    await play(own);
  });
});
