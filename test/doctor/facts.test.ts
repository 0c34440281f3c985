import { chownSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { NodeFiles } from "../../src/host/node-files.js";
import { digestOf } from "../../src/observe/status.js";
import { findConfigFile } from "../../src/tools/doctor/collect/bridge.js";
import { guardFile } from "../../src/tools/doctor/fixes.js";
import { bridgePid, cgroupV2, type FakeNode, healthyNode, ownRoot, requiringToml, runContainerd } from "./fake-node.js";
import { clearcfs, configToml, confJson, labels, launched, listed, nriToml } from "./faults.js";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});

const unit = "/etc/nri-v01-bridge/config.yaml";
const asRoot = process.geteuid?.() === 0;

it("a healthy node has no findings", async () => {
  expect(await node.find()).toEqual([]);
});

it("docs/MIGRATION.md's steps for clearcfs on cgroup v2 come to an end: nothing is left to find", async () => {
  const guide = readFileSync(resolve(import.meta.dirname, "../../docs/MIGRATION.md"), "utf8");
  node
    .write(confJson, listed("clearcfs"))
    .remove(labels)
    .write("/opt/nri/bin/clearcfs", clearcfs, 0o755)
    .write("/proc/self/mountinfo", cgroupV2);
  const [found, ...more] = await node.find();
  expect([found?.id, more]).toEqual(["plugin-cgroup-v1-only", []]);
  // One answer, in the same words.
  const [, words = "no words"] = /\(it (then runs .*)\)$/.exec(found?.fix ?? "") ?? [];
  const readme = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
  for (const text of [guide, readme]) expect(text.replaceAll(/\s+/g, " ")).toContain(words);
  node.write(unit, /### clearcfs.*?```yaml\n(.*?)```/s.exec(guide)?.[1] ?? "");
  expect(await node.find()).toEqual([]);
});

describe("what depends on each other", () => {
  it("permissions: trust makes warnings of what strict refuses", async () => {
    node.chmod(confJson, 0o666).chmod(labels, 0o777);
    const severities = async (permissions: "strict" | "trust") =>
      (await node.find({ flags: { permissions } })).map(({ id, severity }) => `${id} ${severity}`);
    expect(await severities("strict")).toEqual(["conf-permissions error", "plugin-writable error"]);
    expect(await severities("trust")).toEqual(["conf-permissions warning", "plugin-writable warning"]);
  });

  it("a launched bridge needs no socket, and has its configuration from the runtime's directory", async () => {
    ownRoot(runContainerd(node, "2.2.7"))
      .launched({ configuration: { file: null, digest: digestOf({ confFile: "/etc/legacy.json" }) } })
      .remove("/run/nri/nri.sock")
      .write("/etc/nri/conf.d/10-v01-bridge.conf", "confFile: /etc/legacy.json\n")
      .move(confJson, "/etc/legacy.json");
    expect(await node.find()).toEqual([]);
    node.write("/etc/nri/conf.d/10-v01-bridge.conf", "confFil: /etc/legacy.json\n");
    const [fault] = await node.find();
    expect(fault).toMatchObject({ id: "bridge-config-fault", where: "/etc/nri/conf.d/10-v01-bridge.conf:1:1" });
  });

  it("an executable of ours stays switched off that cannot start, or where a bridge runs as a service", async () => {
    node.write(launched, "#!/usr/bin/env node\n").remove(`/proc/${bridgePid}`);
    expect(await node.ids()).toEqual(["launched-cannot-start"]);
    node.process(200, "/usr/local/bin/nri-v01-bridge", ["run"]);
    expect(await node.ids()).toEqual([]);
  });

  it("a directory of another user is not taken from that user", () => {
    const fault = (path: string) => `${path}: it belongs to user 1000; root must own it`;
    const file = "/home/ann/bin/labels";
    expect(guardFile(file, fault("/home/ann"))).toBe(
      `move ${file} out of /home/ann, to a directory that root alone can write`,
    );
    expect(guardFile(labels, fault("/home/ann"))).toMatch(/^a link on the way to /);
    expect(guardFile(labels, fault("/opt/nri/bin"))).toBe(
      `chown root /opt/nri/bin ${labels} && chmod go-w /opt/nri/bin ${labels}`,
    );
  });

  it.runIf(asRoot)("a wrong owner of a whole directory is named, and mended, in one round", async () => {
    for (const path of ["/opt/nri", "/opt/nri/bin", labels]) chownSync(join(node.root, path), 1000, 1000);
    const [finding, ...more] = await node.find();
    expect([finding?.id, more]).toEqual(["plugin-writable", []]);
    expect(finding?.fix).toBe(
      `chown root /opt/nri /opt/nri/bin ${labels} && chmod go-w /opt/nri /opt/nri/bin ${labels}`,
    );
    if (finding !== undefined) node.apply(finding);
    expect(await node.find()).toEqual([]);
  });

  it("--migrate is no error on containerd 1.6, though its runtime is too old", async () => {
    runContainerd(node, "1.6.20");
    expect(await node.ids()).toEqual(["runtime-too-old"]);
    expect(await node.ids({ migrate: true })).toEqual([]);
  });

  it("containerd 2.x takes the keys of an imported section one by one, as measured", async () => {
    ownRoot(runContainerd(node, "2.2.7"))
      .write(configToml, `imports = ["conf.d/*.toml"]\n${nriToml("disable = false")}`)
      .write("/etc/containerd/conf.d/10.toml", nriToml('plugin_request_timeout = "3s"'));
    const { runtime } = await node.facts();
    expect(runtime?.config.nri).toMatchObject({ enabled: true, requestTimeoutMs: 3000 });
  });

  it("the configuration that the running daemon was started with is the one that counts", async () => {
    node.process(100, "/usr/bin/containerd", ["--config=/srv/containerd.toml"], ["PATH=/usr/bin"]);
    node.write("/srv/containerd.toml", nriToml("disable = true"));
    expect(await node.find()).toEqual([
      expect.objectContaining({ id: "nri-disabled", where: "/srv/containerd.toml:3" }),
    ]);
  });

  it("links of the node are followed below its root", async () => {
    node.move("/opt/nri/bin", "/srv/plugins").link("/opt/nri/bin", "/srv/plugins");
    node.move("/srv/plugins/labels", "/srv/real").link("/srv/plugins/labels", "/srv/real");
    expect(await node.ids()).toEqual([]);
    expect((await node.facts()).plugins[0]?.lookup).toMatchObject({ ok: true, path: "/opt/nri/bin/labels" });
  });

  it("a runtime that has ended and waits for its parent is none, and one in a container is not the node's", async () => {
    node.write("/proc/40/comm", "containerd\n").write("/proc/40/cmdline", "");
    node.process(41, "/opt/kind/containerd").write("/kind/.keep", "").link("/proc/41/root", join(node.root, "kind"));
    const { runtime } = await node.facts();
    expect(runtime).toMatchObject({ pid: 100, path: "/usr/bin/containerd" });
  });

  it.runIf(asRoot)("what is kept from a user is not taken for missing", async () => {
    node.chmod("/", 0o755).chmod("/etc/containerd", 0o700).chmod("/etc/nri", 0o700);
    process.seteuid?.(65534);
    const found = await node.find().finally(() => process.seteuid?.(0));
    expect(found).toMatchObject([
      { id: "runtime-config-fault", where: configToml, fix: "sudo nri-v01-bridge doctor" },
      { id: "conf-fault", what: expect.stringContaining("permission denied"), fix: "sudo nri-v01-bridge doctor" },
    ]);
  });

  it("a runtime that does not tell its version has the newest one's defaults", async () => {
    node.program("/usr/bin/containerd", "something else").write(configToml, "version = 2\n");
    expect(await node.ids()).toEqual([]);
  });

  it.each([
    ["journalctl -fu", "/usr/bin/journalctl", ["-f", "-u", "nri-v01-bridge"]],
    ["tail", "/usr/bin/tail", ["-f", "/var/log/nri-v01-bridge"]],
    ["an editor", "/usr/bin/vim", ["/usr/local/bin/nri-v01-bridge.mjs"]],
    ["sudo", "/usr/bin/sudo", ["nri-v01-bridge", "run"]],
    ["tini", "/usr/bin/tini", ["--", "/opt/10-v010-adapter"]],
  ])("a process that only names a bridge is none: %s", async (_, exe, args) => {
    node.process(201, exe, args);
    expect(await node.ids()).toEqual([]);
    expect((await node.remove(`/proc/${bridgePid}`).find())[0]?.id).toBe("bridge-not-running");
  });

  it("a bridge that registers anew with a runtime that was restarted is given the time", async () => {
    node.bridge({ registered: null });
    setTimeout(() => node.bridge(), 60);
    expect(await node.ids()).toEqual([]);
  });

  it("an applet of busybox that names one is none", async () => {
    node.process(201, "/bin/busybox").write("/proc/201/cmdline", "tail\0-f\0/var/log/nri-v01-bridge\0");
    expect(await node.ids()).toEqual([]);
    node.write("/proc/201/cmdline", "/bin/sh\0/opt/nri/plugins/10-v01-bridge\0");
    expect(await node.ids()).toEqual(["bridge-twice"]);
  });

  it("record --run is the bridge while it runs", async () => {
    node.process(bridgePid, "/usr/bin/node", ["/usr/local/bin/nri-v01-bridge", "record", "--run"]);
    expect(await node.ids()).toEqual([]);
  });

  it("a plugin that is required by the name that the bridge has on its command line is there", async () => {
    const ours = (text: string) => text.replace('"v01-bridge"', '"our-bridge"');
    node.write(configToml, `version = 2\n${ours(requiringToml)}`);
    runContainerd(node, "2.2.7").bridge({ plugin: "10-our-bridge" }, ["--name", "our-bridge"]);
    expect(await node.ids()).toEqual([]);
    // In a pod its arguments may be a script's, and its file cannot be read.
    node.bridge({ plugin: "10-our-bridge" });
    expect(await node.ids()).toEqual([]);
  });

  it.runIf(asRoot)(
    "a bridge in a container has paths of its own: neither its socket nor its file is the node's",
    async () => {
      const configuration = { file: unit, digest: digestOf({}) };
      node
        .bridge({ configuration, socket: "/host/nri.sock" }, ["--config", unit])
        .write(unit, "timeoutMs: 500\n")
        .write("/elsewhere/file", "")
        .link(`/proc/${bridgePid}/root`, join(node.root, "elsewhere"));
      expect(await node.ids()).toEqual([]);
    },
  );

  it.each([
    ["/system.slice/containerd.service", "containerd"],
    ["/user.slice/user-0.slice/user@0.service/app.slice/containerd.service", ""],
    ["/user.slice/user-0.slice/user@0.service/app.slice/run-1.scope", ""],
  ])("the unit of a process in %s is %j", async (cgroup, expected) => {
    node.write("/proc/100/cgroup", `0::${cgroup}\n`);
    expect((await node.facts()).runtime?.unit).toBe(expected);
  });

  it("a key with signs that a pattern would read has a place", async () => {
    runContainerd(node, "2.2.7").write(
      configToml,
      `version = 3\n[plugins.nri]\n  "disable(" = false\n${requiringToml}`,
    );
    expect((await node.find())[0]).toMatchObject({ id: "nri-settings-ignored", where: `${configToml}:3` });
  });

  it.runIf(asRoot)("what only calls itself containerd, and is not root's, is never run", async () => {
    node.program("/home/containerd", "containerd x 9.9.9 y").process(50, "/home/containerd");
    chownSync(join(node.root, "/proc/50"), 1234, 1234);
    const { runtime } = await node.facts();
    expect(runtime).toMatchObject({ pid: 100, version: "1.7.24" });
  });
});

describe("fixes of the bridge's configuration", () => {
  const fixOf = async (id: string) => (await node.find()).find((finding) => finding.id === id)?.fix ?? "";
  const capture = "plugin-cgroup-v1-only";
  beforeEach(() => {
    node.write(labels, clearcfs, 0o755).write("/proc/self/mountinfo", cgroupV2);
  });

  it.each([
    ["no file yet", undefined, unit],
    ["one without the key", "lookup: path-first\n", unit],
    ["one with the mapping that it belongs to", "lookup: path-first\nplugins:\n  other: {}\n", `${unit}:2`],
    ["one with settings of the plugin", "plugins:\n  labels:\n    async: false\n", `${unit}:2`],
    ["one with another value", "plugins: {\n  labels: {cgroup: host}}\n", `${unit}:2`],
  ])("name file and line, key and value, and the unit to reload: %s", async (_, text, place) => {
    if (text !== undefined) node.write(unit, text);
    const fix = await fixOf(capture);
    expect(fix).toMatch(
      `in ${place} set plugins: {labels: {phase: create, cgroup: capture}}; then systemctl reload nri-v01-bridge`,
    );
    const value = /set (.*?); then/.exec(fix)?.[1] ?? "";
    expect(parse(value)).toEqual({ plugins: { labels: { phase: "create", cgroup: "capture" } } });
  });

  it("quote a plugin's name that YAML would take for something else", async () => {
    node.write(confJson, listed("1.0")).remove(labels).write("/opt/nri/bin/1.0", clearcfs, 0o755);
    expect(await fixOf(capture)).toContain('set plugins: {"1.0": {phase: create, cgroup: capture}};');
  });

  it("go to the file that a launched bridge reads, which it gets from the runtime alone", async () => {
    node.write(launched, "#!/bin/sh\nexec /usr/bin/env /opt/nri-v01-bridge\n", 0o755);
    const place = "/etc/nri/conf.d/10-v01-bridge.conf";
    const fixed = `in ${place} set plugins: {labels: {phase: create, cgroup: capture}}; then systemctl restart containerd`;
    expect(await fixOf(capture)).toContain(fixed);
    node.write(place, "plugins: {}\n");
    expect(await fixOf(capture)).toContain(fixed.replace(place, `${place}:1`));
  });
});

describe("the configuration file of a node's bridge", () => {
  const find = async (given?: string) => findConfigFile(given, {}, new NodeFiles(node.root));
  const conf = "/etc/nri/conf.d/10-v01-bridge.conf";

  it("is that of --config, else of the bridge that runs, else of one that is launched, else of the shipped unit", async () => {
    expect(await find()).toBeUndefined();
    node.write(unit, "");
    expect(await find()).toEqual({
      file: unit,
      from: "usual",
      origin: "the file of the systemd unit",
      root: node.root,
    });
    node.write(launched, "", 0o755);
    expect(await find()).toBeUndefined();
    node.write(conf, "");
    expect(await find()).toMatchObject({ file: conf, from: "launched" });
    node
      .process(41, "/usr/bin/node", ["/usr/bin/other", "--config", "/not/this"])
      .process(42, "/usr/bin/nri-v01-bridge", ["check", "--config", "/nor/this"])
      .process(43, "/usr/bin/node", ["--v8-pool-size=1", "/opt/nri-v01-bridge.mjs", "run", "--config=/etc/its.yaml"])
      .process(44, "/usr/bin/nri-v01-bridge", ["--config", "bridge.yaml"])
      .link("/proc/44/cwd", "/root");
    const origin = "the file of the bridge that runs as process 43";
    expect(await find()).toEqual({ file: "/etc/its.yaml", from: "running", origin, root: node.root });
    node.remove("/proc/43");
    expect(await find()).toMatchObject({ file: "/root/bridge.yaml", from: "running" });
    expect(await find("mine.yaml")).toEqual({ file: "mine.yaml", from: "flag", origin: "", root: "/" });
  });

  it.runIf(asRoot)("is not that of a process with a root of its own: a container's", async () => {
    node
      .write("/elsewhere/file", "")
      .process(43, "/usr/bin/nri-v01-bridge", ["run", "--config", "/etc/bridge.yaml"])
      .link("/proc/43/root", join(node.root, "elsewhere"));
    expect(await find()).toBeUndefined();
  });
});
