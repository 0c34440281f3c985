import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readJournalsIn } from "../e2e/testbed/bridge-state.js";
import { until } from "../plugin/processes.js";
import { PodHost } from "../soak/pod-host.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

const shared = shareNode();

/** A pod with a process of its own, which `close` ends. */
async function startPod() {
  const pod = nextPod();
  const host = await PodHost.start(join(shared().node.folder, "bundles"), pod.id);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= host.close();
    return closed;
  };
  onTestFinished(close);
  return { pod: { ...pod, pid: host.pid }, close };
}

// containerd 1.7 takes back a sandbox that a plugin refused before it ends its process: with a plugin that goes on failing, one
// more would be remembered for each try of the kubelet's.
it.each([
  ["has ended and is removed is forgotten", true],
  ["is removed while its process still ends is forgotten when it has", false],
])("a pod whose create failed and that %s", async (_, endsFirst) => {
  const { node, plugin } = shared();
  node.install("plugin", "read", "answer-error no");
  node.writeConf("plugin");
  const { pod, close } = await startPod();
  expect(await plugin.call("RunPodSandbox", { pod })).toMatchObject({ error: { code: "UNKNOWN" } });
  await plugin.call("StopPodSandbox", { pod });
  if (endsFirst) await close();
  await plugin.call("RemovePodSandbox", { pod });
  await close();
  const left = () => readJournalsIn(join(node.folder, "state"));
  await until(() => left().length === 0);
  expect(left().map(({ stage }) => stage)).toEqual([]);
});
