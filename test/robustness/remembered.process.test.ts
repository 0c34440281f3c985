import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { until } from "../legacy/processes.js";
import { PodHost } from "../soak/pod-host.js";
import { openDescriptors } from "./support/processes.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** What is remembered of a pod whose create failed and that the runtime has removed; `ended` tells when its process ends. */
async function rememberedAfter(ended: "before its removal" | "after it"): Promise<readonly string[]> {
  const node = new TestNode();
  node.install("plugin", "read", "answer-error no");
  node.writeConf("plugin");
  const { plugin } = await node.connect();
  const host = await PodHost.start(join(node.folder, "bundles"), nthPod(1).id);
  let closed = false;
  const close = async () => {
    if (!closed) await host.close();
    closed = true;
  };
  onTestFinished(close);
  const pod = { ...nthPod(1), pid: host.pid };
  expect(await plugin.call("RunPodSandbox", { pod })).toMatchObject({ error: { code: "UNKNOWN" } });
  await plugin.call("StopPodSandbox", { pod });
  if (ended === "before its removal") await close();
  await plugin.call("RemovePodSandbox", { pod });
  await close();
  const left = () => readJournalsIn(join(node.folder, "state"));
  await until(() => left().length === 0, 2_000);
  return left().map(({ stage }) => stage);
}

it("a pod that has ended and is removed is forgotten", async () => {
  expect(await rememberedAfter("before its removal")).toEqual([]);
});

it("a removal that is tried again and again watches the process once", async () => {
  const node = new TestNode();
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, pid } = await node.connect();
  const host = await PodHost.start(join(node.folder, "bundles"), nthPod(1).id);
  onTestFinished(() => host.close());
  const pod = { ...nthPod(1), pid: host.pid };
  await plugin.call("RunPodSandbox", { pod });
  await plugin.call("StopPodSandbox", { pod });
  await plugin.call("RemovePodSandbox", { pod });
  const before = openDescriptors(pid);
  for (let again = 0; again < 30; again++) await plugin.call("RemovePodSandbox", { pod });
  expect(openDescriptors(pid)).toBeLessThan(before + 5);
});

// containerd 1.7 takes back a sandbox that a plugin refused before it ends its process: with a plugin that goes on failing, one
// more would be remembered for each try of the kubelet's.
it("a pod that is removed while its process still ends is forgotten when it has", async () => {
  expect(await rememberedAfter("after it")).toEqual([]);
});
