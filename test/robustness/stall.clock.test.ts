import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { runLines } from "./support/log-lines.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

// A process without a processor, as under a cgroup's quota, reads an event late: the runtime's time has been running since.
it.each([400, 900])("an event that waited %i ms for us is answered in the runtime's time", async (stallMs) => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 2_000 } });
  node.install("plugin", "wait 30");
  node.writeConf("plugin");
  const { plugin, pid } = await node.connect();
  process.kill(pid, "SIGSTOP");
  const answer = plugin.call("RunPodSandbox", { pod: nthPod(1) });
  setTimeout(() => process.kill(pid, "SIGCONT"), stallMs);
  const { dropped, error, durationMs } = await answer;
  expect(dropped).toBe(false);
  expect(error?.message).toMatch(/did not end within/);
  expect(durationMs).toBeLessThan(2_000);
});

it("a delete that waited longer than its call has is delivered all the same", async () => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 1_000 } });
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, pid, program } = await node.connect();
  await plugin.call("RunPodSandbox", { pod: nthPod(1) });
  process.kill(pid, "SIGSTOP");
  const answer = plugin.call("StopPodSandbox", { pod: nthPod(1) });
  await sleep(1_400);
  process.kill(pid, "SIGCONT");
  expect(await answer).toMatchObject({ dropped: true });
  await until(() => runLines(program).length === 2);
  expect(runLines(program).at(-1)).toMatchObject({ state: "delete", outcome: "ok" });
});

it("an event that comes after a stall has all its time", async () => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 2_000 } });
  node.install("plugin", "read", "wait 0.8", "answer");
  node.writeConf("plugin");
  const { plugin, pid } = await node.connect();
  process.kill(pid, "SIGSTOP");
  await sleep(1_800);
  process.kill(pid, "SIGCONT");
  await sleep(20);
  expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false, response: {} });
});
