import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type FakeNode, healthyNode } from "../doctor/fake-node.js";
import { runCommandLine } from "../support/command-line.js";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});

const doctor = (...args: string[]) => runCommandLine(["doctor", "--root", node.root, ...args]);

describe("doctor", () => {
  it("ends with 0 where nothing is wrong", async () => {
    const { code, stdout } = await doctor();
    expect(stdout).toContain("containerd 1.7.24, NRI 0.6.1; cgroup v1; /etc/nri/conf.json: labels\n");
    if (process.geteuid?.() !== 0) return;
    expect(stdout).toContain("0 errors, 0 warnings, 0 notes\n");
    expect(code).toBe(0);
  });

  it("ends with 1 over a warning and with 2 over an error, and names the command that mends it", async () => {
    node.write("/usr/bin/labels", "#!/bin/sh\n", 0o755);
    expect((await doctor()).code).toBe(1);
    node.chmod("/opt/nri/bin/labels", 0o777);
    const { code, stdout } = await doctor();
    expect(code).toBe(2);
    expect(stdout).toContain("error  plugin-writable  /opt/nri/bin/labels\n");
    expect(stdout).toContain("  fix  chmod go-w /opt/nri/bin/labels\n");
    expect(stdout.indexOf("plugin-writable")).toBeLessThan(stdout.indexOf("plugin-shadowed"));
  });

  it("says with --migrate what an upgrade changes for a plugin", async () => {
    node.write("/etc/containerd/config.toml", "version = 2\n");
    node.program("/usr/bin/containerd", "containerd github.com/containerd/containerd 1.6.20 0123abc");
    const { stdout } = await doctor("--migrate");
    expect(stdout).toContain("warning  migrate-switch-on-nri  /etc/containerd/config.toml");
    expect(stdout).not.toContain("runtime-too-old");
  });

  it("takes a faulty file of --config for a finding", async () => {
    node.write("/bridge.yaml", "confFle: /x\n");
    const { code, stdout } = await doctor("--config", join(node.root, "bridge.yaml"));
    expect(code).toBe(2);
    expect(stdout).toContain(`error  bridge-config-fault  ${node.root}/bridge.yaml:1:1`);
  });
});
