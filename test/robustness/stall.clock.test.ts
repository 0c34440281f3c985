import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
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

it.each<[string, string[], (node: ConnectedNode) => Promise<void>]>([
  [
    // It reads the event late: the runtime's time has been running since.
    "answers an event that waited for it in the runtime's time",
    ["wait 30"],
    async ({ plugin, pid }) => {
      const stalled = stall(pid, callMs / 2);
      const { dropped, error, durationMs } = await plugin.call("RunPodSandbox", { pod: nextPod() });
      await stalled;
      expect(dropped).toBe(false);
      expect(error?.message).toMatch(/did not end within/);
      expect(durationMs).toBeLessThan(callMs);
    },
  ],
  [
    "delivers a delete all the same that waited longer than its call has",
    ["read", "answer"],
    async ({ plugin, pid, program }) => {
      const pod = nextPod();
      await plugin.call("RunPodSandbox", { pod });
      const stalled = stall(pid, callMs + 200);
      expect(await plugin.call("StopPodSandbox", { pod })).toMatchObject({ dropped: true });
      await stalled;
      await until(() => runLines(program).length === 2);
      expect(runLines(program).at(-1)).toMatchObject({ state: "delete", outcome: "ok" });
    },
  ],
  [
    "gives an event that comes after it all its time",
    ["read", "wait 0.6", "answer"],
    async ({ plugin, pid }) => {
      await stall(pid, callMs - 100);
      // It is awake again when it has answered something.
      await plugin.call("StopPodSandbox", { pod: nextPod() });
      const answer = await plugin.call("RunPodSandbox", { pod: nextPod() });
      expect(answer).toMatchObject({ dropped: false, response: {} });
    },
  ],
])("a bridge that did not run for a while %s", async (_, plan, play) => {
  const node = new TestNode({ runtime: { requestTimeoutMs: callMs } });
  node.install("plugin", ...plan);
  node.writeConf("plugin");
  await play(await node.connect());
});
