import { writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { until } from "../plugin/processes.js";
import { type LogLine, logLines } from "./support/log-lines.js";
import { markedProcesses, memoryOf } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

describe("what a plugin prints is bounded", () => {
  const chatty = { limits: { stderrLinesPerRun: 20 }, timeoutMs: 500 };
  const shared = shareNode({ config: { plugins: { chatty } } });
  let before = 0;
  beforeEach(() => {
    const { pid } = shared();
    // Begins anew with VmHWM: proc(5), clear_refs.
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
    before = memoryOf(pid, "VmRSS");
  });
  const growth = () => memoryOf(shared().pid, "VmHWM") - before;

  /** The lines of a pod's run, when its end has been logged. */
  async function linesOf(id: string): Promise<readonly LogLine[]> {
    const lines = () => logLines(shared().program).filter((line) => line.id === id);
    await until(() => lines().some(({ msg }) => msg === "the plugins of an event ran"));
    return lines();
  }
  const longest = (lines: readonly LogLine[]) => Math.max(...lines.map((line) => JSON.stringify(line).length));

  it("a gigabyte on stdout ends it at limits.stdoutBytes (4 MiB), and the bridge's memory does not follow", async () => {
    const { node, plugin } = shared();
    node.install("plugin", "run head -c 1073741824 /dev/zero", "answer");
    node.writeConf("plugin");
    const pod = nextPod();
    const answer = await plugin.call("RunPodSandbox", { pod });
    expect(answer).toMatchObject({ dropped: false, error: { code: "UNKNOWN" } });
    expect(answer.error?.message).toContain("printed more than 4194304 bytes on stdout");
    expect(await linesOf(pod.id)).toContainEqual(expect.objectContaining({ outcome: "output-too-large" }));
    console.log(`a plugin that prints 1 GB: the bridge grew by ${growth().toFixed(1)} MB at most`);
    expect(growth()).toBeLessThan(60);
    expect(await until(() => markedProcesses(node.mark).length === 0)).toBe(true);
  });

  it.each([
    ["short lines", "flood stderr"],
    ["lines of a megabyte", "run yes | tr -d '\\n' | fold -w 1000000 >&2"],
  ])("stderr without end, as %s, costs few lines of the log and little memory", async (_, plan) => {
    const { node, plugin } = shared();
    node.install("chatty", plan);
    node.writeConf("chatty");
    const pod = nextPod();
    const answer = await plugin.call("RunPodSandbox", { pod });
    expect(answer).toMatchObject({ dropped: false, error: { code: "UNKNOWN" } });
    const lines = await linesOf(pod.id);
    const said = lines.filter(({ msg }) => msg === "plugin's stderr");
    expect(said.length).toBeGreaterThan(0);
    expect(said.length).toBeLessThanOrEqual(21);
    expect(longest(lines)).toBeLessThan(10_000);
    expect(growth()).toBeLessThan(60);
  });

  it.each([
    ["text", "head -c 4000000 /dev/zero | tr '\\0' x", /plugin: plugin: /],
    // Quoted, each of them takes four.
    ["bytes that are no text", "head -c 4000000 /dev/zero | tr '\\0' '\\377'", /plugin: plugin: /],
    [
      "a result's error",
      `printf '{"error":"'; head -c 4000000 /dev/zero | tr '\\0' x; printf '"}'`,
      /plugin: plugin: xxx/,
    ],
  ])("four megabytes of %s are an answer, and a line of the log, as others are", async (_, command, message) => {
    const { node, plugin } = shared();
    node.install("plugin", "read", `run ${command}`);
    node.writeConf("plugin");
    const pod = nextPod();
    const answer = await plugin.call("RunPodSandbox", { pod });
    expect(answer).toMatchObject({ dropped: false, error: { message: expect.stringMatching(message) } });
    expect(answer.error?.message.length).toBeGreaterThan(1_000);
    expect(answer.error?.message.length).toBeLessThan(50_000);
    expect(longest(await linesOf(pod.id))).toBeLessThan(100_000);
    // And it lives on.
    expect(await plugin.call("StopPodSandbox", { pod })).toMatchObject({ dropped: false });
  });
});
