import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { nextPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** How often the main thread of a process has gone to sleep. */
function sleepsOf(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

it("an idle bridge wakes its node at most once a second, and answers in time when it could not run for a while", async () => {
  const node = new TestNode({ runtime: { requestTimeoutMs: 4_000 } });
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, pid } = await node.connect();
  expect(await plugin.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
  // For so long it looks out more often for what may have kept it from running.
  await sleep(12_000);
  const before = sleepsOf(pid);
  await sleep(10_000);
  expect(sleepsOf(pid) - before).toBeLessThanOrEqual(10);
  node.install("slow", "wait 30");
  node.writeConf("slow");
  process.kill(pid, "SIGSTOP");
  const stopped = sleep(2_000).then(() => process.kill(pid, "SIGCONT"));
  const { dropped, error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
  await stopped;
  expect(dropped).toBe(false);
  expect(error?.message).toMatch(/did not end within/);
});
