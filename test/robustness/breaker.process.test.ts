import { expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { nextPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

// What it costs: test/chain.process.test.ts; when it closes: test/breaker.test.ts.
it("a plugin whose breaker is open is left alone after a registration anew, too", async () => {
  const plugins = { broken: { breaker: { failures: 2, pauseMs: 600_000 } } };
  const node = new TestNode({ config: { plugins } });
  node.install("broken", "answer-error no");
  node.writeConf("broken");
  const { plugin, program, runtime } = await node.connect();
  for (let n = 0; n < 2; n++) {
    const { error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
    expect(error?.message).toBe("nri invoke: plugin: broken: no");
  }
  node.writeConfig({ plugins, states: ["create", "update", "delete"] });
  program.child.kill("SIGHUP");
  const again = await runtime.accept(Deadline.after(10_000));
  const { error } = await again.call("RunPodSandbox", { pod: nextPod() });
  expect(error?.message).toMatch(
    /not run: the plugin failed 2 times in a row, and the bridge runs it again after \d+ s \(breaker\)/,
  );
});
