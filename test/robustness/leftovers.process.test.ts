import { describe, expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { markedProcesses, openDescriptors, zombiesOf } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

describe("what a plugin leaves behind after a normal end", () => {
  const shared = shareNode({ config: { plugins: { ender: { killChildren: true } } } });

  it.each([
    ["that holds its stdout", "background 30"],
    ["that holds nothing", "quiet 30"],
    ["in a session of its own", "daemon 30"],
  ])("lives on, as under containerd 1.6: a child %s", async (_, step) => {
    const { node, plugin, program, pid } = shared();
    node.install("plugin", "read", step, "answer");
    node.writeConf("plugin");
    const pod = nextPod();
    // Nobody waits for it: it lives for longer than the call has.
    expect(await plugin.call("RunPodSandbox", { pod })).toMatchObject({ dropped: false, response: {} });
    expect(markedProcesses(node.mark)).toHaveLength(1);
    await expect.poll(() => runLines(program, pod.id).length).toBe(1);
    const told = logLines(program).filter(({ id, processGroup }) => id === pod.id && processGroup !== undefined);
    // One may be on its way out of the group.
    if (step !== "daemon 30") expect(told).toHaveLength(1);
    expect(zombiesOf(pid)).toEqual([]);
  });

  it.each(["background 30", "quiet 30"])("is ended with killChildren: %s", async (step) => {
    const { node, plugin } = shared();
    node.install("ender", "read", step, "answer");
    node.writeConf("ender");
    expect(await plugin.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ response: {} });
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  });

  it("costs no descriptors and leaves no zombies, however often it happens", async () => {
    const { node, plugin, pid } = shared();
    const before = openDescriptors(pid);
    const gate = node.makeGate();
    // Each child holds the pipes for longer than its plugin.
    node.installScript("plugin", `#!/bin/sh\n(${gate.wait}) <&0 &\necho '{}'\n`);
    node.writeConf("plugin");
    for (let n = 0; n < 40; n++) await plugin.call("RunPodSandbox", { pod: nextPod() });
    expect(markedProcesses(node.mark)).toHaveLength(40);
    gate.open();
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
    const few = () => openDescriptors(pid) <= before + 10;
    expect(await until(few), `${openDescriptors(pid)}, were ${before}`).toBe(true);
    expect(zombiesOf(pid)).toEqual([]);
  });

  it("has its stderr read on: what a child says late is in the log, and SIGPIPE does not end it", async () => {
    const { node, plugin, program } = shared();
    const gate = node.makeGate();
    node.install("plugin", "read", `run (${gate.wait}; echo late >&2; echo later >&2; sleep 30) &`, "answer");
    node.writeConf("plugin");
    const pod = nextPod();
    await plugin.call("RunPodSandbox", { pod });
    await expect.poll(() => runLines(program, pod.id)).toMatchObject([{ outcome: "ok" }]);
    gate.open();
    await program.stderrMatches(/"line":"later"/);
    expect(markedProcesses(node.mark).length).toBeGreaterThan(0);
  });

  it("is not ended by the end of the bridge", async () => {
    const { node, plugin, program } = shared();
    const children: number[] = [];
    for (const step of ["background 30", "quiet 30", "daemon 30"]) {
      node.install("plugin", "read", step, "answer");
      node.writeConf("plugin");
      await plugin.call("RunPodSandbox", { pod: nextPod() });
      children.push(...markedProcesses(node.mark).filter((child) => !children.includes(child)));
    }
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect(children).toHaveLength(3);
    expect(markedProcesses(node.mark).toSorted()).toEqual(children.toSorted());
  });
});
