import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NodeFiles } from "../../src/host/node-files.js";
import { findConfigFile } from "../../src/tools/doctor/collect/bridge.js";
import { FakeNode } from "./fake-node.js";

let node: FakeNode;
beforeEach(() => {
  node = new FakeNode();
});
afterEach(() => node.close());

const unit = "/etc/nri-v01-bridge/config.yaml";
const find = async (given?: string) => findConfigFile(given, {}, new NodeFiles(node.root));

describe("the configuration file of a node's bridge", () => {
  it("is that of --config, whatever else there is", async () => {
    node.write(unit, "");
    expect(await find("mine.yaml")).toEqual({ file: "mine.yaml", from: "flag", origin: "", root: "/" });
  });

  it("is the one that the bridge which runs was started with", async () => {
    node.write(unit, "");
    node.write("/etc/nri/conf.d/10-v01-bridge.conf", "").write("/opt/nri/plugins/10-v01-bridge", "", 0o755);
    node
      .process(41, "/usr/bin/node", ["/usr/bin/other", "--config", "/not/this"])
      .process(42, "/usr/bin/nri-v01-bridge", ["check", "--config", "/nor/this"])
      .process(43, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "run", "--config=/etc/bridge.yaml"]);
    const origin = "the file of the bridge that runs as process 43";
    expect(await find()).toEqual({ file: "/etc/bridge.yaml", from: "running", origin, root: node.root });
  });

  it("is meant from the directory where the bridge was started", async () => {
    node.process(43, "/usr/bin/nri-v01-bridge", ["--config", "bridge.yaml"]).link("/proc/43/cwd", "/root");
    expect(await find()).toMatchObject({ file: "/root/bridge.yaml", from: "running" });
  });

  it.runIf(process.geteuid?.() === 0)("is not that of a process with a root of its own: a container's", async () => {
    node
      .write("/elsewhere/file", "")
      .process(43, "/usr/bin/nri-v01-bridge", ["run", "--config", "/etc/bridge.yaml"])
      .link("/proc/43/root", join(node.root, "elsewhere"));
    expect(await find()).toBeUndefined();
  });

  it("is else the one that a launched bridge gets", async () => {
    node.write(unit, "");
    node.write("/etc/nri/conf.d/10-v01-bridge.conf", "").write("/opt/nri/plugins/10-v01-bridge", "", 0o755);
    expect(await find()).toMatchObject({ file: "/etc/nri/conf.d/10-v01-bridge.conf", from: "launched" });
  });

  it("is else that of the shipped unit, and none where that is missing", async () => {
    expect(await find()).toBeUndefined();
    node.write(unit, "");
    expect(await find()).toEqual({ file: unit, from: "usual", origin: "the usual place", root: node.root });
  });
});
