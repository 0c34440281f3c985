import { describe, expect, it, onTestFinished } from "vitest";
import { healthyNode, runContainerd, runCrio } from "./fake-node.js";
import { configToml, confJson, describeFaults, listed, nriHeader, nriToml, ownRoot, script } from "./faults.js";

const ignoring = { config: "onFailure: {create: ignore}\n" };

describeFaults("the runtime's configuration", {
  "nri-disabled": [
    { make: (node) => node.remove("/etc/containerd"), mend: "its fix", where: configToml, says: "its default" },
    { make: (node) => node.write(configToml, "version = 2\n"), mend: "its fix", where: configToml },
    { make: (node) => node.write(configToml, "[plugins.cri]\n"), mend: "its fix", where: configToml },
    { make: (node) => node.write(configToml, nriToml()), mend: "its fix" },
    { make: (node) => node.write(configToml, nriToml("disable = true")), mend: "its fix", where: `${configToml}:3` },
    {
      make: (node) =>
        ownRoot(runContainerd(node, "2.1.9")).write(
          configToml,
          "version = 2\n[plugins]\n  [plugins.'io.containerd.nri.v1.nri']\n    disable = true\n",
        ),
      mend: "its fix",
      where: `${configToml}:4`,
    },
    {
      // compat: 1.7 takes the section of the last file whole: the switch of the first is gone.
      make: (node) =>
        node
          .write(configToml, `imports = ["conf.d/*.toml"]\n${nriToml("disable = false")}`)
          .write("/etc/containerd/conf.d/10.toml", nriToml('plugin_request_timeout = "3s"')),
      mend: "its fix",
    },
    {
      make: (node) =>
        node.write(configToml, `disabled_plugins = ["io.containerd.nri.v1.nri"]\n${nriToml("disable = false")}`),
      mend: "its fix",
    },
    {
      // In single quotes, as containerd 2 writes it; the other names stay.
      make: (node) =>
        ownRoot(runContainerd(node, "2.1.9")).write(
          configToml,
          "version = 3\ndisabled_plugins = ['io.containerd.snapshotter.v1.btrfs', 'io.containerd.nri.v1.nri']\n",
        ),
      mend: "its fix",
      where: `${configToml}:2`,
      leaves: { [configToml]: { version: 3, disabled_plugins: ["io.containerd.snapshotter.v1.btrfs"] } },
    },
    {
      // Over several lines; the section's own header has the same name.
      make: (node) =>
        node.write(
          configToml,
          `disabled_plugins = [\n  "io.containerd.nri.v1.nri", # not yet\n  "io.containerd.grpc.v1.x"\n]\n${nriToml("disable = false")}`,
        ),
      mend: "its fix",
    },
    {
      make: (node) =>
        node
          .write(configToml, `imports = ["conf.d/*.toml"]\n${nriToml("disable = false")}`)
          .write("/etc/containerd/conf.d/10.toml", 'version = 2\ndisabled_plugins = [ "io.containerd.nri.v1.nri" ]\n'),
      mend: "its fix",
      where: "/etc/containerd/conf.d/10.toml:2",
    },
    {
      make: (node) =>
        node.write(configToml, 'version = 2\n[plugins]\n  "io.containerd.nri.v1.nri" = {disable = true}\n'),
      mend: "its fix",
      where: `${configToml}:3`,
    },
    {
      make: (node) => node.write(configToml, 'version = 2\n[plugins]\n  "io.containerd.nri.v1.nri" = {}\n'),
      mend: "its fix",
    },
    {
      make: (node) =>
        node.write(
          configToml,
          'version = 2\n[plugins]\n  "io.containerd.nri.v1.nri" = {plugin_path = "/opt/nri/plugins"}\n',
        ),
      mend: "its fix",
    },
    {
      make: (node) => node.write(configToml, 'version = 2\nplugins."io.containerd.nri.v1.nri".disable = true\n'),
      mend: "its fix",
      where: `${configToml}:2`,
    },
    {
      // Another section has the same line; a tab and a comment have to be typed too.
      make: (node) =>
        node.write(
          configToml,
          `version = 2\n[plugins."io.containerd.x.v1.other"]\n\tdisable = true # off\n${nriHeader}\n\tdisable = true # off\n[timeouts]\n`,
        ),
      mend: "its fix",
      where: `${configToml}:5`,
    },
    { make: (node) => runCrio(node, "1.29.1"), options: ignoring, mend: "its fix", says: "its default" },
    {
      make: (node) =>
        runCrio(node, "1.31.0").write("/etc/crio/crio.conf.d/20.conf", "[crio.nri]\nenable_nri = false\n"),
      options: ignoring,
      mend: "its fix",
      where: "/etc/crio/crio.conf.d/20.conf:2",
    },
  ],
  "cri-disabled": [
    {
      make: (node) => node.write(configToml, `disabled_plugins = ["cri"]\n${nriToml("disable = false")}`),
      mend: "its fix",
    },
    {
      make: (node) =>
        node.write(
          configToml,
          `disabled_plugins = ['aufs',\n  'cri', "io.containerd.grpc.v1.cri"]\n${nriToml("disable = false")}`,
        ),
      mend: "its fix",
    },
  ],
  "nri-connections-disabled": [
    {
      make: (node) => node.write(configToml, nriToml("disable = false", "disable_connections = true")),
      mend: "its fix",
      where: `${configToml}:4`,
    },
    {
      make: (node) =>
        runCrio(node, "1.31.0").write("/etc/crio/crio.conf", "[crio.nri]\nnri_disable_connections = true\n"),
      options: ignoring,
      mend: "its fix",
      where: "/etc/crio/crio.conf:2",
    },
  ],
  "runtime-config-fault": [
    {
      make: (node) => node.write(configToml, `${nriToml("disable = false")}[broken\n`),
      mend: (node) => node.write(configToml, nriToml("disable = false")),
      where: `${configToml}:4:8`,
    },
    {
      make: (node) => node.write(configToml, `imports = ["/etc/containerd/nri.toml"]\n${nriToml("disable = false")}`),
      mend: (node) => node.write("/etc/containerd/nri.toml", "version = 2\n"),
      where: "/etc/containerd/nri.toml",
    },
    {
      make: (node) => runCrio(node, "1.31.0").write("/etc/crio/crio.conf", "[crio.nri\n"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf", "[crio.nri]\n"),
    },
  ],
  "containerd-config-unversioned": [
    {
      make: (node) => node.write(configToml, `${nriHeader}\n  disable = false\n`),
      mend: "its fix",
      where: `${configToml}:1`,
    },
    {
      // compat: measured: with version = 2 over it 1.7.24 does not start ("invalid plugin key URI \"cri\"").
      make: (node) =>
        node.write(configToml, `[plugins.cri]\n  sandbox_image = "pause"\n${nriHeader}\n  disable = false\n`),
      mend: "its fix",
      leaves: { [configToml]: { plugins: { cri: { sandbox_image: "pause" }, nri: { disable: false } } } },
    },
    {
      make: (node) => node.write(configToml, `version = 1\n${nriHeader}\n  disable = false\n`),
      mend: "its fix",
      leaves: { [configToml]: { version: 1, plugins: { nri: { disable: false } } } },
    },
  ],
  "containerd-config-too-new": [
    {
      make: (node) => node.write(configToml, nriToml("disable = false").replace("version = 2", "version = 3")),
      mend: (node) => ownRoot(runContainerd(node, "2.1.9")),
      says: "is of version 3, and containerd 1.7.24 takes 2 at most",
    },
    {
      make: (node) => ownRoot(runContainerd(node, "2.2.1")).write(configToml, "version = 4\n"),
      mend: (node) => ownRoot(runContainerd(node, "2.3.0")),
    },
  ],
  "containerd-config-old-keys": [
    {
      make: (node) =>
        ownRoot(runContainerd(node, "2.1.9")).write(
          configToml,
          'version = 3\n[plugins."io.containerd.grpc.v1.cri"]\n  disable_tcp_service = true\n  sandbox_image = "pause"\n',
        ),
      mend: "its fix",
      where: `${configToml}:2`,
      says: "in a config.toml of version 3, sandbox_image under",
    },
    {
      // Version 2 does not know the new names: there is no command for that.
      make: (node) =>
        ownRoot(runContainerd(node, "2.1.9")).write(
          configToml,
          'version = 3\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause"\n[plugins."io.containerd.cri.v1.images"]\n',
        ),
      mend: (node) => node.write(configToml, "version = 3\n"),
    },
  ],
});

describe("fixes of one file", () => {
  const lines =
    'version = 2\n[plugins."io.containerd.nri.v1.nri"]\n  disable = true\n  plugin_request_timeout = "400ms"\n';
  const files = {
    none: undefined,
    "without the section": "version = 2\n",
    "with the section": `version = 2\n${nriHeader}\n`,
    "with both keys": lines,
    "of version 1": "[plugins.cri]\n",
  } as const;
  const cases = Object.keys(files).flatMap((name) => [false, true].map((reversed) => [name, reversed] as const));

  it.each(cases)("can be given one after the other: %s, the last one first: %s", async (name, reversed) => {
    const node = await healthyNode();
    onTestFinished(() => node.close());
    node.write("/etc/.keep", "").write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", script, 0o755);
    const text = Object.entries(files).find(([key]) => key === name)?.[1];
    if (text === undefined) node.remove("/etc/containerd");
    else node.write(configToml, text);
    const options = { flags: { timeoutMs: 1500 } };
    const found = await node.find(options);
    expect(found.map(({ id }) => id)).toEqual([
      "nri-disabled",
      text === lines ? "request-timeout-short" : "timeouts-exceed-call",
    ]);
    for (const finding of reversed ? found.toReversed() : found) node.apply(finding);
    const left = await node.find(options);
    // From a limit that is too short by itself it comes to the default, which is too short for two.
    expect(left.map(({ id }) => id)).toEqual(text === lines ? ["timeouts-exceed-call"] : []);
  });

  it("of CRI-O can be, too", async () => {
    const node = runCrio(await healthyNode(), "1.29.1");
    onTestFinished(() => node.close());
    node.write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", script, 0o755);
    const options = { flags: { timeoutMs: 1500 }, config: "onFailure: {create: ignore}\n" };
    const found = await node.find(options);
    expect(found.map(({ id }) => id)).toEqual(["nri-disabled", "timeouts-exceed-call"]);
    for (const finding of found) node.apply(finding);
    expect(await node.ids(options)).toEqual([]);
  });
});
