import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { logLines, runLines } from "./support/log-lines.js";
import { nextPod } from "./support/subjects.js";
import { shareNode } from "./support/test-node.js";

// The pause does not pass within a test; what comes after it is tried on a clock of its own (test/breaker.test.ts).
const breaker = { failures: 3, pauseMs: 600_000 };
const failing = (create: string) => ({ breaker, onFailure: { create } });
const shared = shareNode({
  config: {
    plugins: {
      "broken-fail": failing("fail"),
      "broken-ignore": failing("ignore"),
      "broken-continue": failing("continue"),
      healthy: { breaker },
    },
  },
});

/** What a new pod's create is answered with, and how the first plugin's run went. */
async function create() {
  const { plugin, program } = shared();
  const pod = nextPod();
  const { dropped, error } = await plugin.call("RunPodSandbox", { pod });
  await until(() => runLines(program, pod.id).length > 0);
  const [run] = runLines(program, pod.id);
  return { id: pod.id, dropped, error: error?.message ?? null, outcome: run?.outcome };
}

const breakerStates = (of: string) =>
  logLines(shared().program).flatMap(({ plugin, breaker: state }) => (plugin === of ? (state ?? []) : []));

describe("a plugin that fails three times in a row, with breaker: {failures: 3}", () => {
  it.each([
    { onFailure: "fail", rejects: true },
    { onFailure: "ignore", rejects: false },
    { onFailure: "continue", rejects: false },
  ])("is not started for a while, and costs what onFailure: $onFailure says", async ({ onFailure, rejects }) => {
    const { node, program } = shared();
    const name = `broken-${onFailure}`;
    const note = join(node.folder, `${name}.runs`);
    node.install(name, `run echo run >>'${note}'`, "answer-error no");
    node.install("healthy", "answer");
    node.writeConf(name, "healthy");
    const pods: Awaited<ReturnType<typeof create>>[] = [];
    for (let n = 0; n < 3; n++) pods.push(await create());
    for (const pod of pods) expect(pod).toMatchObject({ dropped: false, outcome: "reported" });
    await expect.poll(() => breakerStates(name)).toEqual(["open"]);

    for (let n = 0; n < 3; n++) pods.push(await create());
    for (const { outcome, error } of pods.slice(3)) {
      expect(outcome).toBe("skipped");
      expect(error).toEqual(
        rejects ? expect.stringMatching(/not run: it failed 3 times in a row, tried again in 600 s \(breaker\)/) : null,
      );
    }
    expect(readFileSync(note, "utf8")).toBe("run\nrun\nrun\n");
    // The rest of the chain is as onFailure has it.
    const healthy = () => pods.flatMap(({ id }) => runLines(program, id)).filter(({ plugin }) => plugin === "healthy");
    await expect.poll(() => healthy().length).toBe(onFailure === "continue" ? 6 : 0);
    expect(breakerStates(name)).toEqual(["open"]);
  });

  it("is left alone after a registration anew, too", async () => {
    const { node, program, runtime } = shared();
    node.writeConf("broken-fail");
    node.writeConfig({ plugins: { "broken-fail": failing("fail") }, states: ["create", "update", "delete"] });
    program.child.kill("SIGHUP");
    const plugin = await runtime.accept(Deadline.after(10_000));
    const { error } = await plugin.call("RunPodSandbox", { pod: nextPod() });
    expect(error?.message).toMatch(/not run: it failed 3 times in a row/);
  });
});
