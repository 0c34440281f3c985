import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeNode, healthyNode, runContainerd } from "./fake-node.js";
import { describeFaults, elf, launched, ownRoot, script } from "./faults.js";

const plugins = "/opt/nri/plugins";

describeFaults("launched plugins and others like us", {
  "launched-bad-name": [
    { make: (node) => node.write(`${plugins}/monitor`, script, 0o755), mend: "its fix", says: "is not NN-name" },
    { make: (node) => node.write(`${plugins}/1-monitor`, script, 0o755), mend: "its fix" },
    {
      // A link counts as executable whatever its target's mode is, and the target is another program's.
      make: (node) => node.write("/usr/bin/monitor", script).link(`${plugins}/monitor`, "/usr/bin/monitor"),
      mend: "its fix",
      fixSays: `mv -n ${plugins}/monitor /opt/nri/ # then systemctl restart containerd`,
    },
  ],
  "launched-not-executable": [
    {
      make: (node) => ownRoot(runContainerd(node, "2.2.7")).write(launched, "#!/bin/sh\nexec /bin/sh\n"),
      mend: "its fix",
      where: launched,
    },
  ],
  "launched-cannot-start": [
    {
      make: (node) => ownRoot(runContainerd(node, "2.2.7")).write(launched, "#!/usr/bin/env node\n", 0o755),
      mend: (node) => node.program("/usr/bin/node", ""),
      says: "starts node, which is neither in /usr/bin nor in /bin",
    },
    {
      make: (node) =>
        ownRoot(runContainerd(node, "2.2.7"))
          .write(launched, "#!/bin/sh\nexec /usr/bin/node /opt/bridge/nri-v01-bridge.mjs\n", 0o755)
          .program("/usr/bin/node", ""),
      mend: (node) => node.write("/opt/bridge/nri-v01-bridge.mjs", ""),
      says: "starts /opt/bridge/nri-v01-bridge.mjs, which is not there",
    },
    {
      make: (node) => ownRoot(runContainerd(node, "2.2.7")).link(launched, "/usr/bin/nri-v01-bridge"),
      mend: (node) => node.write("/usr/bin/nri-v01-bridge", elf(62), 0o755),
    },
  ],
  "launched-takes-runtime-down": [
    {
      make: (node) => node.write(launched, elf(62), 0o755),
      mend: (node) => node.remove(launched),
      where: launched,
      fixSays: `on a drained node move ${launched} out of its directory, then systemctl restart containerd, then`,
    },
  ],
  "go-adapter-too": [
    { make: (node) => node.write(`${plugins}/10-v010-adapter`, elf(62), 0o755), mend: "its fix" },
    {
      make: (node) => node.process(200, "/usr/local/bin/v010-adapter"),
      mend: (node) => node.remove("/proc/200"),
      where: "process 200",
    },
  ],
  "bridge-twice": [
    {
      // As the launcher and the image start it.
      make: (node) =>
        node
          .process(200, "/usr/bin/node", ["--v8-pool-size=1", "/opt/nri-v01-bridge/nri-v01-bridge.mjs", "run"])
          .process(201, "/usr/local/bin/nri-v01-bridge", ["run", "--config", "/x"]),
      mend: (node) => node.remove("/proc/200"),
      says: "process 200, process 201",
    },
    {
      make: (node) =>
        node
          .process(200, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "run"])
          .process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge"]),
      mend: (node) => node.process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "check"]),
    },
    {
      make: (node) =>
        ownRoot(runContainerd(node, "2.2.7"))
          .write(launched, elf(62), 0o755)
          .process(200, launched)
          .process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "run"]),
      mend: (node) => node.remove("/proc/201"),
    },
  ],
  "plugin-name-taken": [
    {
      make: (node) => node.write(`${plugins}/20-mine`, elf(62), 0o755),
      options: { flags: { pluginName: "mine" } },
      mend: { options: {} },
      fixSays: "in /etc/nri-v01-bridge/config.yaml set pluginName: v01-bridge; then systemctl restart nri-v01-bridge",
    },
  ],
  "plugin-index-shared": [
    {
      make: (node) => node.write(`${plugins}/10-other`, elf(62), 0o755),
      mend: { options: { flags: { pluginIdx: "11" } } },
      fixSays: 'nothing, unless the order matters; then in /etc/nri-v01-bridge/config.yaml set pluginIdx: "11"',
    },
  ],
});

describe("an executable of ours that is switched off", () => {
  let node: FakeNode;
  beforeEach(async () => {
    node = ownRoot(runContainerd(await healthyNode(), "2.2.7")).write(launched, "#!/bin/sh\nexec /bin/sh\n");
  });
  afterEach(() => node.close());

  it("stays so where a bridge runs as a service: two would run every plugin twice", async () => {
    node.process(200, "/usr/local/bin/nri-v01-bridge", ["run"]);
    expect(await node.ids()).toEqual([]);
  });

  it("is not to be launched while it cannot start: containerd 1.7 would exit over it", async () => {
    node.write(launched, "#!/usr/bin/env node\n");
    expect((await node.find()).map(({ id, fix }) => [id, fix])).toEqual([
      ["launched-cannot-start", "let it name node by its path; deploy/launched/install.sh --node writes it so"],
    ]);
  });
});
