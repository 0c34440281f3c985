import { expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

const waits = /another bridge has locked the state directory: this bridge waits for it to end/;

it("a second bridge with the same state waits unregistered, and takes over when the first is killed", async () => {
  const node = new TestNode();
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { plugin, program, runtime } = await node.connect();
  await plugin.call("RunPodSandbox", { pod: nthPod(1) });
  const [second, third] = [node.start(), node.start()];
  await second.stderrMatches(waits);
  await third.stderrMatches(waits);
  // Two that are registered would run every plugin twice.
  await expect(runtime.accept(Deadline.after(300))).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
  // One that waits ends at once on SIGTERM.
  third.child.kill("SIGTERM");
  expect((await third.ended).code).toBe(0);
  expect(runLines(third)).toEqual([]);
  program.child.kill("SIGKILL");
  const taken = await runtime.accept(Deadline.after(10_000));
  // The runtime lists nothing: what the first one owed is delivered, once.
  await until(() => runLines(second).length > 0);
  expect(await taken.call("RunPodSandbox", { pod: nthPod(2) })).toMatchObject({ response: {} });
  await until(() => runLines(second).length > 1);
  expect(runLines(second).map(({ state, pod }) => `${state} ${pod}`)).toEqual([
    "delete default/pod-1",
    "create default/pod-2",
  ]);
});
