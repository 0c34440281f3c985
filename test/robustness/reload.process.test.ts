import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Deadline } from "../../src/base/deadline.js";
import { until } from "../plugin/processes.js";
import { logLines } from "./support/log-lines.js";
import { markedProcesses } from "./support/processes.js";
import { nextPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

it("SIGHUP takes no other place for the state: the last good configuration stays", async () => {
  const node = new TestNode();
  node.install("plugin", "read", "answer-error no");
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  node.writeConfig({ state: { directory: join(node.folder, "elsewhere") }, onFailure: { create: "ignore" } });
  program.child.kill("SIGHUP");
  await program.stderrMatches(/the bridge keeps the last good one/);
  expect(logLines(program).at(-1)).toMatchObject({ error: expect.stringMatching(/state.*cannot change.*restart/) });
  expect(await plugin.call("RunPodSandbox", { pod: nextPod() })).toMatchObject({ error: { code: "UNKNOWN" } });
  expect(existsSync(join(node.folder, "elsewhere"))).toBe(false);
});

it("a launched bridge whose file was wrong serves, and delivers what an earlier one owed, when the file is mended and it gets SIGHUP", async () => {
  const node = new TestNode();
  const gate = node.makeGate();
  const note = join(node.folder, "deleted");
  node.installScript(
    "plugin",
    `#!/bin/sh\ncase $(cat) in *'"state":"delete"'*) ${gate.wait}; echo x >>'${note}';; esac; echo '{}'\n`,
  );
  node.writeConf("plugin");
  const runtime = await node.listen();
  const first = await node.launch(runtime);
  const pod = nextPod();
  await first.plugin.call("RunPodSandbox", { pod });
  void first.plugin.call("StopPodSandbox", { pod });
  await until(() => markedProcesses(node.mark).length > 0);
  const ended = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await ended;
  node.endLeftovers();
  gate.open();

  const good = readFileSync(node.configFile);
  writeFileSync(node.configFile, "onFailure: nonsense\n");
  const { child, plugin } = await node.launch(runtime);
  const create = () => plugin.call("RunPodSandbox", { pod: nextPod() });
  expect(await create()).toMatchObject({ error: { message: expect.stringMatching(/onFailure/) } });
  writeFileSync(node.configFile, good);
  child.kill("SIGHUP");
  let answer = await create();
  for (const end = Deadline.after(5_000); answer.error !== undefined && !end.expired; await sleep(20)) {
    answer = await create();
  }
  expect(answer.error).toBeUndefined();
  await until(() => existsSync(note), 10_000);
  expect(readFileSync(note, "utf8")).toBe("x\n");
});
