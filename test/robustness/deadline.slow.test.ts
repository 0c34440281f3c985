import { spawn } from "node:child_process";
import { cpus } from "node:os";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses } from "./support/processes.js";
import { lifeOf, nextNumber, nthContainer, nthPod } from "./support/subjects.js";
import { shareNode, TestNode } from "./support/test-node.js";

describe("on a machine whose processors are all in use", () => {
  it.each([1, 10])("calls of 500 ms with a chain of %i that hangs are answered in time", async (count) => {
    const callMs = 500;
    const node = new TestNode({ runtime: { requestTimeoutMs: callMs } });
    burnProcessors();
    const { plugin, program } = await node.connect();
    const plans = [["read", "wait 30"], ["wait 30"], ["read", "spin"], ["ignore-term", "spin"], ["stop"]] as const;
    for (const [n, plan] of plans.entries()) {
      // The last one misbehaves: the others use up time before it.
      const names = Array.from({ length: count }, (_, at) => `plugin-${n}-${at}`);
      for (const name of names) node.install(name, ...(name === names.at(-1) ? plan : ["answer"]));
      node.writeConf(...names);
      const answer = await plugin.call("RunPodSandbox", { pod: nthPod(n) });
      expect(answer, plan.join()).toMatchObject({ dropped: false, error: { code: "UNKNOWN" } });
      expect(answer.durationMs).toBeLessThan(callMs);
    }
    expect(program.stderrSoFar()).toMatch(/did not end within|no time was left/);
  });

  it("teardown is never blocked: a delete that hangs is answered with success, in time", async () => {
    const callMs = 500;
    const node = new TestNode({ runtime: { requestTimeoutMs: callMs }, config: { deleteTimeoutMs: 1_000 } });
    burnProcessors();
    node.install(
      "plugin",
      `run case $(cat) in *'"state":"delete"'*) trap '' TERM; while :; do :; done ;; esac`,
      "answer",
    );
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    for (const [name, subject] of lifeOf(1)) {
      const answer = await plugin.call(name, subject);
      expect(answer, name).toMatchObject({ dropped: false, response: { update: [] } });
      expect(answer.durationMs).toBeLessThan(callMs);
    }
    const failed = () => runLines(program).filter(({ outcome }) => outcome === "timed-out");
    await expect.poll(() => failed().map(({ state }) => state), { timeout: 10_000 }).toEqual(["delete", "delete"]);
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  });
});

describe("four megabytes that come at the last moment do not make the answer late", () => {
  const callMs = 2_000;
  const shared = shareNode({ runtime: { requestTimeoutMs: callMs } });

  it.each([
    ["all of them quotes", `head -c 4000000 /dev/zero | tr '\\0' '"'`],
    [
      "a result with 300,000 keys",
      `{ printf '{"metadata":{"k":""'; seq 300000 | sed 's/.*/,"&":""/' | tr -d '\\n'; printf '}}'; }`,
    ],
  ])("%s", async (_, text) => {
    const { node, plugin } = shared();
    node.install("maker", `run ${text} >"$0.out"`, "answer");
    // It prints when nearly all of its time (1.7 s) has passed.
    node.install("late", "read", `run sleep 1.55; cat '${node.bin}/maker.out'`);
    node.writeConf("maker");
    const n = nextNumber();
    expect(await plugin.call("RunPodSandbox", { pod: nthPod(n) })).toMatchObject({ response: {} });
    node.writeConf("late");
    // Of a container's result more is read: what it asks to change.
    const answer = await plugin.call("StartContainer", { pod: nthPod(n), container: nthContainer(n) });
    expect(answer.dropped).toBe(false);
    expect(answer.durationMs).toBeLessThan(callMs);
  });
});

/** A program for each processor that uses it without end, for as long as the test runs, and never longer than a minute. */
function burnProcessors(): void {
  for (const _ of cpus()) {
    const child = spawn("timeout", ["60", "sh", "-c", "while :; do :; done"], { stdio: "ignore" });
    onTestFinished(async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // timeout(1) hands the signal on.
      child.kill("SIGTERM");
      await ended;
    });
  }
}
