import { describe, expect, it } from "vitest";
import { until } from "../legacy/processes.js";
import { logLines, longestLine, runLines } from "./support/log-lines.js";
import { markedProcesses, memoryOf } from "./support/processes.js";
import { nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

describe("what a plugin prints is bounded", () => {
  it("a gigabyte on stdout ends it at limits.stdoutBytes (4 MiB), and the bridge's memory does not follow", async () => {
    const node = new TestNode();
    node.install("plugin", "run head -c 1073741824 /dev/zero", "answer");
    node.writeConf("plugin");
    const { plugin, program, pid } = await node.connect();
    const before = memoryOf(pid, "VmRSS");
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, error: { code: "UNKNOWN" } });
    expect(answer.error?.message).toContain("printed more than 4194304 bytes on stdout");
    await program.stderrMatches(/"plugin failed"/);
    await expect.poll(() => runLines(program)).toMatchObject([{ outcome: "output-too-large" }]);
    const growth = memoryOf(pid, "VmHWM") - before;
    console.log(`a plugin that prints 1 GB: the bridge grew by ${growth.toFixed(1)} MB at most`);
    expect(growth).toBeLessThan(60);
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  });

  it.each([
    ["short lines", "flood stderr"],
    ["one line that never ends", "run yes | tr -d '\\n' >&2"],
    ["lines of a megabyte", "run yes | tr -d '\\n' | fold -w 1000000 >&2"],
  ])("stderr without end, as %s, costs few lines of the log and little memory", async (_, plan) => {
    const node = new TestNode({ config: { limits: { stderrLinesPerRun: 20 } }, runtime: { requestTimeoutMs: 1_000 } });
    node.install("plugin", plan);
    node.writeConf("plugin");
    const { plugin, program, pid } = await node.connect();
    const before = memoryOf(pid, "VmRSS");
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, error: { code: "UNKNOWN" } });
    await program.stderrMatches(/"plugin failed"/);
    const lines = logLines(program).filter(({ msg }) => msg === "plugin's stderr");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(21);
    expect(longestLine(program)).toBeLessThan(10_000);
    expect(memoryOf(pid, "VmHWM") - before).toBeLessThan(60);
  });

  it("a background child that logs without end is bounded as its plugin was", async () => {
    const node = new TestNode({ config: { limits: { stderrLinesPerRun: 20 } } });
    node.install("plugin", "read", "run yes >&2 &", "answer");
    node.install("other", "answer");
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ response: {} });
    await program.stderrMatches(/further lines of this run are suppressed/);
    // It is still printing; others are served all the same.
    node.writeConf("other");
    for (let n = 2; n < 8; n++) {
      expect(await plugin.call("RunPodSandbox", { pod: nthPod(n) })).toMatchObject({ response: {} });
    }
    expect(logLines(program).filter(({ msg }) => msg === "plugin's stderr")).toHaveLength(21);
  });

  it.each([
    ["text", "x"],
    // Quoted, each of them takes four.
    ["bytes that are no text", "\\377"],
  ])("an error with four megabytes of %s in it is an answer, and a line of the log, as others are", async (_, byte) => {
    const node = new TestNode();
    node.install("plugin", "read", `run head -c 4000000 /dev/zero | tr '\\0' '${byte}'`);
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer.dropped).toBe(false);
    expect(answer.error?.message.length).toBeGreaterThan(1_000);
    expect(answer.error?.message.length).toBeLessThan(50_000);
    await program.stderrMatches(/"plugin failed"/);
    expect(longestLine(program)).toBeLessThan(100_000);
    // And it lives on.
    expect(await plugin.call("StopPodSandbox", { pod: nthPod(1) })).toMatchObject({ dropped: false });
  });

  it("a result whose error has four megabytes is one too", async () => {
    const node = new TestNode();
    node.install("plugin", "read", `run printf '{"error":"'; head -c 4000000 /dev/zero | tr '\\0' x; printf '"}'`);
    node.writeConf("plugin");
    const { plugin, program } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer).toMatchObject({ dropped: false, error: { message: expect.stringMatching(/plugin: plugin: xxx/) } });
    await program.stderrMatches(/"plugin failed"/);
    expect(longestLine(program)).toBeLessThan(100_000);
  });

  it("results add up along the chain: ten plugins that answer 4 MB each are answered in time", async () => {
    const node = new TestNode({ config: { onFailure: { create: "continue" } } });
    const names = Array.from({ length: 10 }, (_, n) => `plugin-${n}`);
    const big = `run printf '{"metadata":{"x":"'; head -c 4000000 /dev/zero | tr '\\0' x; printf '"}}'`;
    for (const name of names) node.install(name, "read", big);
    node.writeConf(...names);
    const { plugin, pid } = await node.connect();
    const answer = await plugin.call("RunPodSandbox", { pod: nthPod(1) });
    expect(answer.dropped).toBe(false);
    expect(memoryOf(pid, "VmHWM")).toBeLessThan(800);
  });

  it.each([
    ["all of them quotes", `head -c 4000000 /dev/zero | tr '\\0' '"'`],
    [
      "a result with 300,000 keys",
      `{ printf '{"metadata":{"k":""'; seq 300000 | sed 's/.*/,"&":""/' | tr -d '\\n'; printf '}}'; }`,
    ],
  ])("four megabytes that come at the last moment, %s, do not make the answer late", async (_, text) => {
    const callMs = 2_000;
    const node = new TestNode({ runtime: { requestTimeoutMs: callMs } });
    node.install("maker", `run ${text} >"$0.out"`, "answer");
    // It prints when nearly all of its time (1.7 s) has passed.
    node.install("late", "read", `run sleep 1.55; cat '${node.bin}/maker.out'`);
    node.writeConf("maker");
    const { plugin } = await node.connect();
    expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ response: {} });
    node.writeConf("late");
    // Of a container's result more is read: what it asks to change.
    const answer = await plugin.call("StartContainer", { pod: nthPod(1), container: nthContainer(1) });
    expect(answer.dropped).toBe(false);
    expect(answer.durationMs).toBeLessThan(callMs);
  });
});
