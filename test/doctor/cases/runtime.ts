import { cgroupV1, type FakeNode, ownRoot, runContainerd, runCrio } from "../fake-node.js";
import {
  configToml,
  confJson,
  elf,
  type Fault,
  type Faults,
  launched,
  listed,
  nriHeader,
  nriToml,
  type Says,
  script,
  wrote,
} from "../faults.js";

const on = nriToml("disable = false");
const nri = "io.containerd.nri.v1.nri";
const socket = "/run/nri/nri.sock";
const plugins = "/opt/nri/plugins";
const dropIn = "/etc/containerd/conf.d/10.toml";
const importing = `imports = ["conf.d/*.toml"]\n${on}`;
const restarted = "; then systemctl restart containerd";
/** CRI-O with a plugin whose failure costs nothing: else its warnings are warned of. */
const ignoring = { config: "onFailure: {create: ignore}\n" };
const two = (node: FakeNode) => ownRoot(runContainerd(node, "2.2.7"));
const toml = (text: string, mended: string, says?: Says) => wrote(configToml, text, mended, says);

/** A config.toml in which NRI is switched off, and what is said to be written where. */
function off(text: string, fixSays: string, make: (node: FakeNode) => FakeNode = (node) => node): Fault {
  const where = /^in (\S+)/.exec(fixSays)?.[1] ?? "";
  return {
    ...toml(text, on, { where, fixSays: `${fixSays}${restarted}` }),
    make: (node) => make(node).write(configToml, text),
  };
}

/** The same of a file of CRI-O. */
function crio(file: string, line: string, version: string, key: string): Fault {
  const path = `/etc/crio/${file}`;
  const says = { where: `${path}:2`, fixSays: `in ${path}:2 set ${key} under [crio.nri]; then systemctl restart crio` };
  return {
    make: (node) => runCrio(node, version).write(path, `[crio.nri]\n${line}\n`),
    options: ignoring,
    mend: (node) => node.remove(path),
    ...says,
  };
}

const set = (line: string) => `in ${configToml}${line} set disable = false under ${nriHeader}`;
const take = (line: string, name: string) => `in ${configToml}${line} take "${name}" out of disabled_plugins`;

export const runtimeFaults: Faults = {
  "runtime-missing": [
    {
      make: (node) => node.remove("/proc/100").remove("/usr/bin/containerd"),
      mend: (node) => runContainerd(node, "1.7.24"),
    },
  ],
  "runtime-too-old": [
    {
      make: (node) => runContainerd(node, "1.6.20~ds1"),
      mend: (node) => runContainerd(node, "1.7.24~ds1"),
      says: "containerd 1.6.20~ds1 does not speak NRI v2",
    },
    {
      make: (node) => runCrio(node, "1.25.3"),
      options: ignoring,
      mend: (node) => runCrio(node, "1.26.2").write("/etc/crio/crio.conf", "[crio.nri]\nenable_nri = true\n"),
    },
  ],
  "runtime-out-of-sight": [
    { make: (node) => node.remove("/proc/100"), mend: (node) => runContainerd(node, "1.7.24"), where: "/proc" },
  ],
  "runtime-stopped": [
    {
      make: (node) => node.remove("/proc/100").remove(socket),
      mend: async (node) => runContainerd(await node.listen(), "1.7.24"),
    },
  ],
  "runtime-config-fault": [
    toml(`${on}[broken\n`, on, { where: `${configToml}:4:8` }),
    toml(`imports = ["nri.toml"]\n${on}`, on, { where: "/etc/containerd/nri.toml" }),
    {
      make: (node) => runCrio(node, "1.31.0").write("/etc/crio/crio.conf", "[crio.nri\n"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf", "[crio.nri]\n"),
    },
  ],
  "containerd-config-unversioned": [
    toml(`${nriHeader}\n  disable = false\n`, on, {
      where: `${configToml}:1`,
      fixSays: `in ${configToml}:1 write [plugins.nri] for ${nriHeader}, its name in version 1; where all names in the file are long, version = 2`,
    }),
    // compat: measured: with version = 2 over it 1.7.24 does not start ("invalid plugin key URI \"cri\"").
    toml(
      `[plugins.cri]\n  sandbox_image = "pause"\n${nriHeader}\n  disable = false\n`,
      '[plugins.cri]\n  sandbox_image = "pause"\n[plugins.nri]\n  disable = false\n',
      { fixSays: `in ${configToml}:3 write [plugins.nri] for ${nriHeader}, its name in version 1` },
    ),
    toml(`version = 1\n${nriHeader}\n  disable = false\n`, "version = 1\n[plugins.nri]\n  disable = false\n", {
      fixSays: `in ${configToml}:2 write [plugins.nri] for ${nriHeader}`,
    }),
  ],
  "nri-disabled": [
    {
      make: (node) => node.remove("/etc/containerd"),
      mend: (node) => node.write(configToml, on),
      fixSays: `in ${configToml} (a new file with the first line version = 2) set disable = false under ${nriHeader}`,
    },
    off("version = 2\n", set("")),
    off("[plugins.cri]\n", `in ${configToml} set disable = false under [plugins."nri"]`),
    off(nriToml("disable = true"), set(":3")),
    off(`version = 2\n[plugins]\n  [plugins.'${nri}']\n    disable = true\n`, set(":4"), two),
    off(`version = 2\n[plugins]\n  "${nri}" = {disable = true}\n`, set(":3")),
    off(`version = 2\nplugins."${nri}".disable = true\n`, set(":2")),
    // Another section has the same line.
    off(`version = 2\n[plugins."io.containerd.x.v1.other"]\ndisable = true\n${nriHeader}\ndisable = true\n`, set(":5")),
    // In single quotes, as containerd 2 writes it.
    off(`version = 3\ndisabled_plugins = ['io.containerd.snapshotter.v1.btrfs', '${nri}']\n`, take(":2", nri), two),
    off(`disabled_plugins = [\n  "${nri}", # not yet\n  "io.containerd.grpc.v1.x"\n]\n${on}`, take(":1", nri)),
    // What another program makes is that program's to change.
    off(
      "# File generated by k3s. DO NOT EDIT. Use config.toml.tmpl instead.\nversion = 2\n",
      `${set("")} (this file is generated, as it says itself: change what it is made from)`,
    ),
    {
      // compat: 1.7 takes the section of the last file whole: the switch of the first is gone.
      make: (node) => node.write(configToml, importing).write(dropIn, nriToml('plugin_request_timeout = "3s"')),
      mend: (node) => node.write(dropIn, on),
      fixSays: `in ${dropIn}:2 set disable = false under ${nriHeader}${restarted}`,
    },
    {
      make: (node) => node.write(configToml, importing).write(dropIn, `disabled_plugins = [ "${nri}" ]\n`),
      mend: (node) => node.write(dropIn, "version = 2\n"),
      where: `${dropIn}:1`,
      fixSays: `in ${dropIn}:1 take "${nri}" out of disabled_plugins${restarted}`,
    },
    {
      make: (node) => runCrio(node, "1.29.1"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf.d/99-nri.conf", "[crio.nri]\nenable_nri = true\n"),
      says: "its default",
      fixSays: "in /etc/crio/crio.conf.d/99-nri.conf set enable_nri = true under [crio.nri]",
    },
    crio("crio.conf.d/20.conf", "enable_nri = false", "1.31.0", "enable_nri = true"),
    off(`disabled_plugins = ["cri"]\n${on}`, take(":1", "cri")),
    {
      // Each of the files that list it.
      make: (node) =>
        node
          .write(configToml, `# generated\ndisabled_plugins = ["cri"]\n${importing}`)
          .write(dropIn, 'disabled_plugins = ["cri"]\n'),
      mend: (node) => node.write(configToml, importing).write(dropIn, ""),
      fixSays: `in ${configToml}:2 and ${dropIn}:1 take "cri" out of disabled_plugins (this file is generated`,
    },
    off(
      `disabled_plugins = ['aufs',\n  'cri', "io.containerd.grpc.v1.cri"]\n${on}`,
      `in ${configToml}:1 take "cri" and "io.containerd.grpc.v1.cri" out of disabled_plugins`,
    ),
  ],
  "nri-connections-disabled": [
    off(
      nriToml("disable = false", "disable_connections = true"),
      `in ${configToml}:4 set disable_connections = false under ${nriHeader}`,
    ),
    crio("crio.conf", "nri_disable_connections = true", "1.31.0", "nri_disable_connections = false"),
  ],
  "request-timeout-short": [
    toml(nriToml("disable = false", 'plugin_request_timeout = "600ms"'), on, {
      where: `${configToml}:4`,
      fixSays: `in ${configToml}:4 set plugin_request_timeout = "2s" under ${nriHeader}`,
    }),
  ],
  "crio-starts-all-the-same": [
    {
      make: (node) => runCrio(node, "1.34.1"),
      mend: { options: { config: "phase: create\n" } },
      fixSays:
        "for a plugin that needs no pid, which there is none of then: in /etc/nri-v01-bridge/config.yaml set phase: create",
    },
    {
      make: (node) =>
        runCrio(node, "1.34.1").write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", script, 0o755),
      options: { config: "onFailure: {create: ignore}\nplugins: {other: {onFailure: {create: fail}}}\n" },
      mend: { options: { config: "onFailure: {create: ignore}\nplugins: {other: {phase: create}}\n" } },
      says: "although the create of other failed",
    },
  ],
  "socket-path-differs": [
    {
      options: { flags: { socketPath: "/run/other/nri.sock" } },
      mend: { options: { flags: { socketPath: socket } } },
      fixSays: "config.yaml set socketPath: /var/run/nri/nri.sock; then systemctl restart nri-v01-bridge",
    },
  ],
  "socket-missing": [
    { make: (node) => node.remove(socket), mend: (node) => node.listen() },
    {
      // What Docker makes for a bind mount whose source is not there yet.
      make: (node) => node.remove(socket).write(`${socket}/.keep`, ""),
      mend: (node) => node.remove(socket).listen(),
      fixSays: `mv -n /var${socket} /var${socket}.old # then systemctl restart containerd`,
    },
  ],
  "socket-dead": [
    { make: (node) => node.write("/proc/self/net/unix", "Num RefCount\n"), mend: (node) => node.listen() },
    {
      // The bridge still has the old file at its place; the runtime has a new one behind its own root.
      make: async (node) => {
        node.move(socket, "/old.sock");
        await node.listen(socket);
        node.remove("/var/run").move("/old.sock", "/var/run/nri/nri.sock");
      },
      mend: (node) => node.link("/var/run", "/run"),
      says: "containerd made a new socket of this name when it was restarted",
    },
  ],
  "socket-mounted": [
    wrote(
      "/proc/self/mountinfo",
      `${cgroupV1}99 20 0:9 /nri.sock ${socket} rw - tmpfs tmpfs rw\n`,
      `${cgroupV1}99 20 0:9 / /run/nri rw - tmpfs tmpfs rw\n`,
    ),
  ],
  "launched-bad-name": [
    { make: (node) => node.write(`${plugins}/1-monitor`, script, 0o755), mend: "its fix", says: "is not NN-name" },
    {
      // A link counts as executable whatever its target's mode is, and the target is another program's.
      make: (node) => node.write("/usr/bin/monitor", script).link(`${plugins}/monitor`, "/usr/bin/monitor"),
      mend: "its fix",
      fixSays: `mv -n ${plugins}/monitor /opt/nri/ # then systemctl restart containerd`,
    },
  ],
  "launched-not-executable": [
    { make: (node) => two(node).write(launched, "#!/bin/sh\nexec /bin/sh\n"), mend: "its fix", where: launched },
  ],
  "launched-cannot-start": [
    {
      make: (node) => two(node).write(launched, "#!/usr/bin/env node\n", 0o755),
      mend: (node) => node.program("/usr/bin/node", ""),
      says: "starts node, which is neither in /usr/bin nor in /bin",
    },
    {
      make: (node) => two(node).link(launched, "/usr/bin/nri-v01-bridge"),
      mend: (node) => node.write("/usr/bin/nri-v01-bridge", elf(62), 0o755),
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
          .process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge"]),
      mend: (node) => node.process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "check"]),
      says: "process 200, process 201",
    },
    {
      make: (node) =>
        two(node)
          .write(launched, elf(62), 0o755)
          .process(200, launched)
          .process(201, "/usr/bin/node", ["/usr/bin/nri-v01-bridge", "run"]),
      mend: (node) => node.remove("/proc/201"),
    },
  ],
};
