import { expect, it } from "vitest";
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
