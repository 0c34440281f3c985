import { describe, expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { markedProcesses, openDescriptors, zombiesOf } from "./support/processes.js";
import { nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

describe("what a plugin leaves behind after a normal end", () => {
  it.each([
    ["that holds its stdout", "background 30"],
    ["that holds nothing", "quiet 30"],
    ["in a session of its own", "daemon 30"],
  ])("lives on, as under containerd 1.6: a child %s", async (_, step) => {
    const node = new TestNode();
    node.install("plugin", "read", step, "answer");
    node.writeConf("plugin");
    const { plugin, program, pid } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, response: {} });
    // Nobody waits for it.
    expect(answer.durationMs).toBeLessThan(1_500);
    const [child, ...others] = markedProcesses(node.mark);
    expect(child).toBeGreaterThan(0);
    expect(others).toEqual([]);
    await expect.poll(() => runLines(program).length).toBe(1);
    const reported = logLines(program).flatMap(({ survivors }) => survivors ?? []);
    // A normal end is not worth looking for those who left the group; this one may be on its way out of it.
    if (step === "daemon 30") expect([[], [child]]).toContainEqual(reported);
    else expect(reported).toEqual([child]);
    expect(zombiesOf(pid)).toEqual([]);
    // Nor does the end of the bridge end it.
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect(markedProcesses(node.mark)).toEqual([child]);
  });

  it.each(["background 30", "quiet 30"])("is ended with killChildren: %s", async (step) => {
    const node = new TestNode({ config: { killChildren: true } });
    node.install("plugin", "read", step, "answer");
    node.writeConf("plugin");
    const { plugin } = await node.connect();
    expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ response: {} });
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  });

  it("costs no descriptors and leaves no zombies, however often it happens", async () => {
    const node = new TestNode();
    // Each child holds the pipes for longer than its plugin, and shorter than the test.
    node.install("plugin", "read", "background 0.5", "answer");
    node.writeConf("plugin");
    const { plugin, pid } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(0) });
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
    const before = openDescriptors(pid);
    for (let n = 1; n <= 40; n++) await plugin.call("RunPodSandbox", { pod: nthPod(n) });
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
    expect(await until(() => openDescriptors(pid) <= before + 10), `${openDescriptors(pid)}, were ${before}`).toBe(
      true,
    );
    expect(zombiesOf(pid)).toEqual([]);
  });

  it("has its stderr read on: what a child says late is in the log, and SIGPIPE does not end it", async () => {
    const node = new TestNode();
    node.install("plugin", "read", "run (sleep 0.3; echo late >&2; echo later >&2; sleep 30) &", "answer");
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    await program.stderrMatches(/"line":"later"/);
    await expect.poll(() => runLines(program)).toMatchObject([{ outcome: "ok" }]);
    expect(markedProcesses(node.mark).length).toBeGreaterThan(0);
  });
});
