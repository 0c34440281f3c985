import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "../support/command-line.js";
import { cgroupV2, type FakeNode, healthyNode } from "./fake-node.js";
import { clearcfs, confJson, labels, listed } from "./faults.js";

const unit = "/etc/nri-v01-bridge/config.yaml";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
  node.write("/etc/.keep", "");
});
afterEach(() => node.close());

const doctor = (...args: string[]) => runCommandLine(["doctor", "--root", node.root, ...args]);

describe("doctor without --config", () => {
  const settings = "plugins: {labels: {phase: create, cgroup: capture}}\n";
  beforeEach(() => {
    node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2);
  });

  it("looks at the file of the shipped unit, and says so", async () => {
    expect((await doctor()).stdout).toContain("warning  plugin-cgroup-v1-only");
    node.write(unit, settings);
    const { stdout } = await doctor();
    expect(stdout).toContain(`configuration: ${unit}, the usual place\n`);
    expect(stdout).not.toContain("plugin-cgroup-v1-only");
    expect(JSON.parse((await doctor("--json")).stdout).node.bridge.config).toBe(unit);
  });

  it("looks at the file that the running bridge was started with, flags of Node before its program or not", async () => {
    const args = ["--v8-pool-size=1", "/opt/nri-v01-bridge/nri-v01-bridge.mjs", "run", "--config", "/etc/its.yaml"];
    node.process(70, "/usr/bin/node", args).write("/etc/its.yaml", settings).write(unit, "nonsense: 1\n");
    const { stdout } = await doctor();
    expect(stdout).toContain("configuration: /etc/its.yaml, the file of the bridge that runs as process 70\n");
    expect(stdout).not.toContain("plugin-cgroup-v1-only");
    expect(stdout).not.toContain("bridge-config-fault");
  });
});

describe("docs/MIGRATION.md's steps for clearcfs on cgroup v2", () => {
  it("come to an end: nothing is left to find", async () => {
    const guide = readFileSync(resolve(import.meta.dirname, "../../docs/MIGRATION.md"), "utf8");
    const block = /### clearcfs.*?```yaml\n(.*?)```/s.exec(guide)?.[1];
    node
      .write(confJson, listed("clearcfs"))
      .remove(labels)
      .write("/opt/nri/bin/clearcfs", clearcfs, 0o755)
      .write("/proc/self/mountinfo", cgroupV2)
      .write(unit, block ?? "");
    const { code, stdout } = await doctor("--json");
    const { findings }: { findings: { id: string }[] } = JSON.parse(stdout);
    // Of this machine, and not of the node.
    const ours = ["not-root", "capture-impossible"];
    expect(findings.filter(({ id }) => !ours.includes(id))).toEqual([]);
    if (findings.length === 0) expect(code).toBe(0);
  });
});

describe("what cannot be read", () => {
  it.each([
    ["a file that is not there", "/none.yaml", "no such file or folder (ENOENT)"],
    ["a directory", "/etc", "it is a folder, and a file is expected (EISDIR)"],
  ])("is said why: %s", async (_, path, reason) => {
    const { stdout, code } = await doctor("--config", `${node.root}${path}`);
    expect(stdout).toContain(`the bridge's configuration is wrong: the configuration cannot be read: ${reason}\n`);
    expect(code).toBe(2);
  });

  it("a file as --root is refused", async () => {
    const { stderr, code } = await runCommandLine(["doctor", "--root", `${node.root}${confJson}`]);
    expect(stderr).toContain(`--root: ${node.root}${confJson} is no directory`);
    expect(code).toBe(2);
  });
});
