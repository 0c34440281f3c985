import { expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { children, until } from "../plugin/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

it("a runtime that restarts in the middle of a chain is found at its new socket, and no delete is lost", async () => {
  const node = new TestNode();
  const gate = node.makeGate();
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const { runtime, plugin, program, pid } = await node.connect();
  await plugin.call("RunPodSandbox", { pod: nthPod(1) });
  node.install("plugin", "read", `run ${gate.wait}`, "answer");
  const answer = plugin.call("RunPodSandbox", { pod: nthPod(2) });
  await until(() => markedProcesses(node.mark).length > 0);
  await runtime.close();
  expect(await answer).toMatchObject({ dropped: true });
  gate.open();

  const again = await node.listen();
  const anew = await again.accept(Deadline.after(10_000));
  expect(await anew.call("StartContainer", { pod: nthPod(3), container: nthContainer(3) })).toMatchObject({
    dropped: false,
  });
  // The pods are not in the new runtime's list: they are gone, and each has its delete, also the one that had no answer.
  const states = () => runLines(program).map(({ state, pod }) => `${state} ${pod}`);
  await until(() => states().length === 5);
  const lives = ["create default/pod-1", "create default/pod-2", "create default/pod-3"];
  expect(states().toSorted()).toEqual([...lives, "delete default/pod-1", "delete default/pod-2"]);
  expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  expect({ zombies: zombiesOf(pid), children: children(pid) }).toEqual({ zombies: [], children: [] });
  expect(program.child.exitCode).toBeNull();
});

it("a Synchronize that is answered too late leaves a zombie on NRI < 0.12: the bridge notices, and registers anew", async () => {
  const pids: number[] = [];
  const requestTimeoutMs = 1_000;
  const node = new TestNode({
    runtime: {
      version: "v1.7.24",
      requestTimeoutMs,
      snapshot: () => {
        // The process does not run while the message waits for it; for the first time only.
        const [pid] = pids.splice(0);
        if (pid !== undefined) {
          process.kill(pid, "SIGSTOP");
          setTimeout(() => process.kill(pid, "SIGCONT"), requestTimeoutMs * 1.5);
        }
        return { pods: [], containers: [] };
      },
    },
  });
  const runtime = await node.listen();
  const program = node.start();
  pids.push(program.child.pid ?? 0);
  // The runtime forgets it, and leaves the connection open.
  await expect(runtime.accept(Deadline.after(10_000))).rejects.toMatchObject({ code: "CALL_TIMEOUT" });
  await program.stderrMatches(/Synchronize failed: the bridge closes/);
  const again = await runtime.accept(Deadline.after(10_000));
  expect(await again.call("StopPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false });
});
