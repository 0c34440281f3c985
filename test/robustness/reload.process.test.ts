import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { Deadline } from "../../src/deadline.js";
import { launch } from "../../src/nri/launch.js";
import type { Runtime } from "../../src/nri/runtime.js";
import { until } from "../legacy/processes.js";
import { makeFifo } from "../support/places.js";
import { program as bundle } from "../support/program.js";
import { logLines } from "./support/log-lines.js";
import { markedProcesses } from "./support/processes.js";
import { nthContainer, nthPod } from "./support/subjects.js";
import { TestNode } from "./support/test-node.js";

/** Starts the built program as a runtime does that finds it in its plugin directory. */
async function launchBridge(node: TestNode, runtime: Runtime) {
  const path = join(node.folder, "10-v01-bridge");
  writeFileSync(path, `#!/bin/sh\nexec ${process.execPath} ${bundle} run --config ${node.configFile}\n`);
  chmodSync(path, 0o755);
  const identity = { name: "v01-bridge", index: "10" };
  const { child, trunk } = await launch(path, identity, "ignore");
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, plugin: await runtime.connect(trunk, { kind: "launched", identity, config: "" }) };
}

it("a reload while what was running before is still looked at loses nothing of it", { timeout: 60_000 }, async () => {
  const count = 4_000;
  const running = (pid: number) => (n: number) => ({ ...nthContainer(n), pid });
  const all = Array.from({ length: count }, (_, n) => n);
  const node = new TestNode({
    runtime: {
      requestTimeoutMs: 10_000,
      snapshot: () => ({ pods: all.map(nthPod), containers: all.map(running(1)) }),
    },
  });
  const note = join(node.folder, "deleted");
  node.installScript(
    "plugin",
    `#!/bin/sh\nid=$(sed 's/.*"id":"\\([^"]*\\)".*/\\1/'); echo "$id" >>'${note}'; echo '{}'\n`,
  );
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  node.writeConfig({ log: { level: "debug" } });
  program.child.kill("SIGHUP");
  await program.stderrMatches(/the configuration is read again/);
  const last = all.slice(-20).map(running(1));
  for (const container of last) {
    const subject = { pod: nthPod(all[count - 1] ?? 0), container };
    await plugin.call("StopContainer", subject);
    await plugin.call("RemoveContainer", subject);
  }
  const deleted = existsSync(note) ? readFileSync(note, "utf8").trim().split("\n") : [];
  expect(deleted).toEqual(last.map(({ id }) => id));
});

it("SIGHUP takes no other place for the state: the last good configuration stays", async () => {
  const node = new TestNode();
  node.install("plugin", "read", "answer-error no");
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  node.writeConfig({ state: { directory: join(node.folder, "elsewhere") }, onFailure: { create: "ignore" } });
  program.child.kill("SIGHUP");
  await program.stderrMatches(/the last good one stays/);
  expect(logLines(program).at(-1)).toMatchObject({ error: expect.stringMatching(/state.*cannot change.*restart/) });
  expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({ error: { code: "UNKNOWN" } });
  expect(existsSync(join(node.folder, "elsewhere"))).toBe(false);
});

it("FIFOs in the places of its files keep no call waiting, and no signal", async () => {
  const node = new TestNode({ limitMs: 20_000 });
  node.writeConf("plugin");
  const { plugin, program } = await node.connect();
  const replace = (path: string, mode: number) => {
    rmSync(path, { force: true });
    makeFifo(path);
    chmodSync(path, mode);
  };
  replace(join(node.bin, "plugin"), 0o755);
  expect(await plugin.call("RunPodSandbox", { pod: nthPod(1) })).toMatchObject({
    error: { message: expect.stringContaining("fork/exec") },
  });
  replace(node.confFile, 0o644);
  expect(await plugin.call("RunPodSandbox", { pod: nthPod(2) })).toMatchObject({
    error: { message: expect.stringContaining(`read ${node.confFile}: not a regular file`) },
  });
  replace(node.configFile, 0o644);
  program.child.kill("SIGHUP");
  await program.stderrMatches(/the last good one stays/);
  program.child.kill("SIGTERM");
  expect((await program.ended).code).toBe(0);
});

it("a launched bridge whose file was wrong serves when the file is mended and it gets SIGHUP", async () => {
  const node = new TestNode();
  node.install("plugin", "read", "answer");
  node.writeConf("plugin");
  const good = readFileSync(node.configFile);
  writeFileSync(node.configFile, "onFailure: nonsense\n");
  const { child, plugin } = await launchBridge(node, await node.listen());
  const create = () => plugin.call("RunPodSandbox", { pod: nthPod(1) });
  expect(await create()).toMatchObject({ error: { message: expect.stringMatching(/onFailure/) } });
  writeFileSync(node.configFile, good);
  child.kill("SIGHUP");
  let answer = await create();
  for (const end = Deadline.after(5_000); answer.error !== undefined && !end.expired; await sleep(20)) {
    answer = await create();
  }
  expect(answer.error).toBeUndefined();
});

it("a launched bridge whose file was wrong delivers what an earlier one owed, when the file is mended", async () => {
  const node = new TestNode();
  const note = join(node.folder, "deleted");
  node.installScript(
    "plugin",
    `#!/bin/sh\ncase $(cat) in *'"state":"delete"'*) sleep 1; echo x >>'${note}';; esac; echo '{}'\n`,
  );
  node.writeConf("plugin");
  const runtime = await node.listen();
  const first = await launchBridge(node, runtime);
  await first.plugin.call("RunPodSandbox", { pod: nthPod(1) });
  void first.plugin.call("StopPodSandbox", { pod: nthPod(1) });
  await until(() => markedProcesses(node.mark).length > 0);
  const ended = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await ended;
  const good = readFileSync(node.configFile);
  writeFileSync(node.configFile, "onFailure: nonsense\n");
  const { child } = await launchBridge(node, runtime);
  writeFileSync(node.configFile, good);
  child.kill("SIGHUP");
  await until(() => existsSync(note), 10_000);
  expect(readFileSync(note, "utf8")).toBe("x\n");
});

it("a state directory that is shared keeps its mode, and one of our own is made private", async () => {
  for (const [others, mode] of [
    [["somebody.txt"], 0o755],
    [[], 0o700],
  ] as const) {
    const node = new TestNode();
    const directory = join(node.folder, "var-lib");
    mkdirSync(directory, { mode: 0o755 });
    for (const name of others) writeFileSync(join(directory, name), "");
    node.writeConfig({ state: { directory } });
    node.writeConf();
    await node.connect();
    expect(statSync(directory).mode & 0o777).toBe(mode);
  }
});
