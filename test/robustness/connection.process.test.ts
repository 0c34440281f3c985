import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { children, until } from "../legacy/processes.js";
import { runLines } from "./support/log-lines.js";
import { markedProcesses, zombiesOf } from "./support/processes.js";
import { listenRaw } from "./support/raw-runtime.js";
import { nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

describe("the bridge stays connected", () => {
  it("to a runtime that restarts: its new socket is found, and no delete is lost", async () => {
    const node = new TestNode();
    node.install("plugin", "read", "answer");
    node.writeConf("plugin");
    const { runtime, plugin, program } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    await runtime.close();
    const again = await node.listen();
    const anew = await again.accept(Deadline.after(10_000));
    expect(await anew.call("StartContainer", { pod: nthPod(2), container: nthContainer(2) })).toMatchObject({
      dropped: false,
    });
    // The pod is not in the new runtime's list: it is gone, and has had its delete.
    await until(() => runLines(program).length === 3);
    const states = () => runLines(program).map(({ state, pod }) => `${state} ${pod}`);
    const all = ["create default/pod-1", "create default/pod-2", "delete default/pod-1"];
    await expect.poll(() => states().toSorted()).toEqual(all);
    expect(program.child.exitCode).toBeNull();
  });

  it("after garbage in the middle of a session, and what ran then ends by its own limits", async () => {
    const node = new TestNode();
    node.install("plugin", "read", "wait 1", "answer");
    node.writeConf("plugin");
    const runtime = await node.listen();
    const program = node.start();
    const plugin = await runtime.accept(Deadline.after(10_000));
    const answer = plugin.call("RunPodSandbox", { pod: nthPod(1) });
    await until(() => markedProcesses(node.mark).length > 0);
    // The runtime is gone in the middle of a chain: EOF.
    plugin.close();
    expect(await answer).toMatchObject({ dropped: true });
    const again = await runtime.accept(Deadline.after(10_000));
    await until(() => markedProcesses(node.mark).length === 0);
    // What was attempted has its delete, once: the list of the runtime is empty.
    await until(() => runLines(program).some(({ state }) => state === "delete"));
    node.install("plugin", "answer");
    expect(await again.call("RunPodSandbox", { pod: nthPod(2) })).toMatchObject({ response: {} });
    const states = () => runLines(program).map(({ state, pod }) => `${state} ${pod}`);
    const all = ["create default/pod-1", "create default/pod-2", "delete default/pod-1"];
    await expect.poll(() => states().toSorted()).toEqual(all);
    const pid = program.child.pid ?? 0;
    expect(zombiesOf(pid)).toEqual([]);
    expect(children(pid)).toEqual([]);
  });

  it("a runtime that never answers the registration is left after a while, and meanwhile SIGTERM works", async () => {
    const node = new TestNode();
    const times = await listenRaw(node.socketPath, () => {});
    const program = node.start();
    await until(() => times.length === 1);
    await sleep(1_500);
    expect(times).toHaveLength(1);
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });
});

describe("a Synchronize that is answered too late", () => {
  it("leaves a zombie on NRI < 0.12, which gets no events: the bridge notices, and registers anew", async () => {
    const pids: number[] = [];
    const node = new TestNode({
      runtime: {
        version: "v1.7.24",
        requestTimeoutMs: 700,
        snapshot: () => {
          // The process does not run while the message waits for it; for the first time only.
          const [pid] = pids.splice(0);
          if (pid !== undefined) {
            process.kill(pid, "SIGSTOP");
            setTimeout(() => process.kill(pid, "SIGCONT"), 1_200);
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
    await program.stderrMatches(/not synchronized, the runtime would send no events/);
    const again = await runtime.accept(Deadline.after(10_000));
    expect(await again.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false });
  });
});
