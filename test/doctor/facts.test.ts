import { chownSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Facts } from "../../src/doctor/facts.js";
import { findAll } from "../../src/doctor/findings.js";
import { type FakeNode, healthyNode, runContainerd } from "./fake-node.js";
import { configToml, confJson, elf, expectHarmless, labels, launched, nriToml, ownRoot } from "./faults.js";

let node: FakeNode;
beforeEach(async () => {
  node = await healthyNode();
});
afterEach(() => node.close());

describe("a healthy node", () => {
  it("has no findings", async () => {
    expect(await node.find()).toEqual([]);
  });
});

describe("what files cannot show", () => {
  const cases: readonly (readonly [string, string, (facts: Facts) => Facts])[] = [
    ["state-disk-full", "error", (facts) => ({ ...facts, state: { ...facts.state, freeBytes: 4096 } })],
    ["state-disk-low", "warning", (facts) => ({ ...facts, state: { ...facts.state, freeBytes: 5 << 20 } })],
    ["socket-not-permitted", "error", (facts) => ({ ...facts, socket: { ...facts.socket, writable: false } })],
  ];

  it.each(cases)("%s is a finding", async (id, severity, change) => {
    const facts = await node.facts();
    const found = findAll(change(facts), false);
    expect(found).toEqual([expect.objectContaining({ id, severity })]);
    found.forEach(expectHarmless);
  });

  it("asks for no journal where there is to be none", async () => {
    node.write("/var/lib/nri-v01-bridge", "a file");
    expect(await node.ids({ config: "state: memory\n" })).toEqual([]);
  });
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
      .write(launched, elf(62), 0o755)
      .remove("/run/nri/nri.sock")
      .write("/etc/nri/conf.d/10-v01-bridge.conf", "confFile: /etc/legacy.json\n")
      .move(confJson, "/etc/legacy.json");
    expect(await node.find()).toEqual([]);
    node.write("/etc/nri/conf.d/10-v01-bridge.conf", "confFil: /etc/legacy.json\n");
    const [fault] = await node.find();
    expect(fault).toMatchObject({ id: "bridge-config-fault", where: "/etc/nri/conf.d/10-v01-bridge.conf:1:1" });
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

  it.runIf(process.geteuid?.() === 0)("what is kept from a user is not taken for missing", async () => {
    node.chmod("/", 0o755).chmod("/etc/containerd", 0o700).chmod("/etc/nri", 0o700);
    const found = await asNobody(() => node.find());
    expect(found).toMatchObject([
      { id: "conf-fault", what: expect.stringContaining("permission denied"), fix: "sudo nri-v01-bridge doctor" },
      { id: "runtime-config-unreadable", where: configToml, fix: "sudo nri-v01-bridge doctor" },
    ]);
  });

  it("a runtime that does not tell its version has the newest one's defaults", async () => {
    node.program("/usr/bin/containerd", "something else").write(configToml, "version = 2\n");
    const ids = await node.ids();
    expect(ids).toContain("runtime-version-unknown");
    expect(ids).not.toContain("nri-disabled");
  });

  it.runIf(process.geteuid?.() === 0)(
    "what only calls itself containerd, and is not root's, is never run",
    async () => {
      node.program("/home/containerd", "containerd x 9.9.9 y").process(50, "/home/containerd");
      chownSync(join(node.root, "/proc/50"), 1234, 1234);
      const { runtime } = await node.facts();
      expect(runtime).toMatchObject({ pid: 100, version: "1.7.24" });
    },
  );
});

async function asNobody<T>(look: () => Promise<T>): Promise<T> {
  process.seteuid?.(65534);
  try {
    return await look();
  } finally {
    process.seteuid?.(0);
  }
}
