import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { runProgram } from "../support/program.js";
import { cgroupV2, type FakeNode, healthyNode, runCrio } from "./fake-node.js";
import { clearcfs, confJson, labels, launched, listed, script } from "./faults.js";

const unit = "/etc/nri-v01-bridge/config.yaml";
const other = "/opt/nri/bin/other.v1";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
  node.write("/etc/.keep", "");
});
afterEach(() => node.close());

const doctor = (...args: string[]) => runProgram(["doctor", "--root", node.root, ...args]);

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

  it("takes --config before all of them", async () => {
    node.write(unit, "nonsense: 1\n").write("/mine.yaml", settings);
    expect((await doctor("--config", `${node.root}/mine.yaml`)).stdout).not.toContain("bridge-config-fault");
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
    const ours = ["not-root", "capture-impossible", "state-disk-low", "state-disk-full"];
    expect(findings.filter(({ id }) => !ours.includes(id))).toEqual([]);
    if (findings.length === 0) expect(code).toBe(0);
  });
});

describe("what cannot be read", () => {
  it.each([
    ["a file that is not there", "/none.yaml", "there is no such file (ENOENT)"],
    ["a directory", "/etc", "it is a directory (EISDIR)"],
  ])("is said why: %s", async (_, path, reason) => {
    const { stdout, code } = await doctor("--config", `${node.root}${path}`);
    expect(stdout).toContain(`${node.root}${path} cannot be read: ${reason}\n`);
    expect(code).toBe(2);
  });

  it("a file as --root is refused", async () => {
    const { stderr, code } = await runProgram(["doctor", "--root", `${node.root}${confJson}`]);
    expect(stderr).toContain(`--root: ${node.root}${confJson} is no directory`);
    expect(code).toBe(2);
  });
});

describe("fixes of the bridge's configuration", () => {
  async function fixes() {
    const { stdout } = await doctor("--json", "--migrate");
    const { findings }: { findings: { id: string; fix: string }[] } = JSON.parse(stdout);
    return findings.filter(({ fix }) => fix.includes("config.yaml") || fix.includes("10-v01-bridge.conf"));
  }

  const file = { new: undefined, empty: "", block: "plugins:\n  some:\n    async: true\nlookup: path-first" } as const;

  it.each([
    ["new", false],
    ["new", true],
    ["empty", false],
    ["empty", true],
    ["block", false],
    ["block", true],
  ] as const)("can be given one after the other: file %s, the last one first: %s", async (form, reversed) => {
    runCrio(node, "1.34.1")
      .write(confJson, listed("labels", "other.v1"))
      .write(labels, clearcfs, 0o755)
      .write(other, clearcfs, 0o755)
      .write("/proc/self/mountinfo", cgroupV2);
    const text = file[form];
    if (text !== undefined) node.write(unit, text);
    const found = (await fixes()).filter(({ id }) => id !== "migrate-time-limit");
    expect(found.map(({ id }) => id)).toEqual([
      "plugin-cgroup-v1-only",
      "plugin-cgroup-v1-only",
      "crio-starts-all-the-same",
      "migrate-updates",
    ]);
    for (const { fix } of reversed ? found.toReversed() : found) node.applyCommand(fix);
    const { plugins, ...rest } = parse(node.read(unit));
    expect(plugins).toEqual({
      labels: { cgroup: "capture" },
      "other.v1": { cgroup: "capture" },
      ...(form === "block" ? { some: { async: true } } : {}),
    });
    const lookup = form === "block" ? { lookup: "path-first" } : {};
    expect(rest).toEqual({ phase: "create", states: ["create", "update", "delete"], ...lookup });
  });

  it("change a value that stands there, and say in words what no command can do", async () => {
    node.write(unit, "sandboxes: never # for now\n");
    const [never] = await fixes();
    node.applyCommand(never?.fix ?? "");
    expect(node.read(unit)).toBe("sandboxes: auto\n");
    node.write(unit, "plugins: {labels: {async: true}}\n").write(labels, clearcfs, 0o755);
    node.write("/proc/self/mountinfo", cgroupV2);
    const fix = (await fixes()).find(({ id }) => id === "plugin-cgroup-v1-only")?.fix;
    expect(fix).toContain(`in ${unit} set plugins.labels.cgroup: capture`);
  });

  it("go to the file that a launched bridge reads, where there is one", async () => {
    node.write(launched, script, 0o755).write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2);
    node.write(launched, "#!/bin/sh\nexec /usr/bin/env /opt/nri-v01-bridge\n", 0o755);
    const fix = (await fixes()).find(({ id }) => id === "plugin-cgroup-v1-only")?.fix ?? "";
    node.applyCommand(fix);
    expect(parse(node.read("/etc/nri/conf.d/10-v01-bridge.conf"))).toEqual({
      plugins: { labels: { cgroup: "capture" } },
    });
  });
});
