import {
  cgroupV1,
  cgroupV2,
  type FakeNode,
  type FindOptions,
  ownRoot,
  requiringCrio,
  requiringToml,
  runContainerd,
  runCrio,
} from "./fake-node.js";

/** A fault of a node that was healthy before. */
export interface Fault {
  /** What makes it. */
  readonly make?: (node: FakeNode) => unknown;
  readonly options?: FindOptions;
  /** What mends it: the command of the finding itself, or what stands for one who follows its words. */
  readonly mend: "its fix" | ((node: FakeNode) => unknown) | { readonly options: FindOptions };
  readonly where?: string;
  /** A part of what it says. */
  readonly says?: string;
  /** A part of its fix. */
  readonly fixSays?: string;
}

/** What it says, besides its id. */
type Says = Pick<Fault, "where" | "says" | "fixSays">;

export const configToml = "/etc/containerd/config.toml";
export const nriHeader = '[plugins."io.containerd.nri.v1.nri"]';
export const labels = "/opt/nri/bin/labels";
export const confJson = "/etc/nri/conf.json";
export const launched = "/opt/nri/plugins/10-v01-bridge";
export const script = "#!/bin/sh\n";
export const clearcfs = '#!/bin/sh\necho -1 > "/sys/fs/cgroup/cpu/$path/cpu.cfs_quota_us"\n';

/** The text of a conf.json that lists these plugins. */
export function listed(...types: string[]): string {
  return JSON.stringify({ version: "0.1", plugins: types.map((type) => ({ type })) });
}

/** A config.toml with these lines in NRI's section. */
export function nriToml(...lines: string[]): string {
  return ["version = 2", nriHeader, ...lines.map((line) => `  ${line}`), ""].join("\n");
}

/** As much of an ELF file for a machine as is looked at, with its dynamic loader when it has one. */
export function elf(machine: number, loader = ""): Uint8Array {
  const bytes = Buffer.alloc(256);
  bytes.write("\x7fELF\x02\x01\x01", "latin1");
  bytes.writeUInt16LE(machine, 18);
  bytes.write(loader, 128, "latin1");
  return bytes;
}

/** A file with a text that is at fault, and the one that mends it. */
function wrote(path: string, text: string, mended: string, says: Says = {}): Fault {
  return { make: (node) => node.write(path, text), mend: (node) => node.write(path, mended), ...says };
}

const on = nriToml("disable = false", requiringToml);
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

/** CRI-O that is started in a way that is at fault. */
function crioStarted(...args: string[]): Fault {
  const start = (node: FakeNode, ...its: string[]) => runCrio(node, "1.31.0", its);
  return { make: (node) => start(node, ...args), options: ignoring, mend: (node) => start(node) };
}

/** A config.toml of containerd 2.2 whose validator is at fault. */
const validator = (text: string, says?: Says): Fault => ({
  ...toml(text, on, says),
  make: (node) => two(node).write(configToml, text),
});
const crioRequired = "/etc/crio/crio.conf.d/90-required.conf";

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

const tool = "/opt/tools/labels";
const other = "/opt/nri/bin/other";
/** Where its protobuf package stands in a program that was built with NRI's stub. */
const nri2 = Buffer.concat([elf(62), Buffer.from("\0/nri.pkg.api.v1alpha1.Runtime/RegisterPlugin\0")]);
// memory.max_usage_in_bytes is v1's, though memory.max is v2's.
const goText = Buffer.from("memory.limit_in_bytesmemory.max_usage_in_bytes");

const conf = (text: string, says?: Says) => wrote(confJson, text, listed("labels"), says);
const program = (text: string | Uint8Array, says?: Says): Fault => ({
  make: (node) => node.write(labels, text, 0o755),
  mend: (node) => node.write(labels, script, 0o755),
  ...says,
});
const settings = (text: string, mended: string, says?: Says): Fault => ({
  options: { config: text },
  mend: { options: { config: mended } },
  ...says,
});
/** A conf.json that lists no plugin, where none is installed. */
const empty = (text: string, says?: Says): Fault => ({
  make: (node) => node.write(confJson, text).remove(labels),
  mend: (node) => node.write(confJson, listed("labels")).write(labels, script, 0o755),
  ...says,
});
const onV2 = (text: string | Uint8Array) => (node: FakeNode) =>
  node.write(labels, text, 0o755).write("/proc/self/mountinfo", cgroupV2);
const toV1 = (node: FakeNode) => node.write("/proc/self/mountinfo", cgroupV1);

const apart = (version: string) => (node: FakeNode) => ownRoot(runContainerd(node, version));
const never = { options: { config: "sandboxes: never\n" } };
const auto = { options: { config: "sandboxes: auto\n" } };
const migrate = { options: { migrate: true } };

/** By the id of the finding that each is to have alone. */
export const faults: Readonly<Record<string, readonly Fault[]>> = {
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
    toml(`${on}[broken\n`, on, { where: `${configToml}:9:8` }),
    toml(`imports = ["nri.toml"]\n${on}`, on, { where: "/etc/containerd/nri.toml" }),
    {
      make: (node) => runCrio(node, "1.31.0").write("/etc/crio/crio.conf", "[crio.nri\n"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf", "[crio.nri]\n"),
    },
  ],
  "nri-settings-ignored": [
    // 1.7 takes a file without a version for one of version 1.
    toml(`${nriHeader}\n  disable = false\n`, on, {
      where: `${configToml}:2`,
      says: `NRI's settings under ${nriHeader} have disable: containerd 1.7.24 reads them under [plugins.nri]`,
      fixSays: `in ${configToml}:2 move disable to [plugins.nri]; where all names in the file are long, version = 2`,
    }),
    // compat: measured: with version = 2 over it 1.7.24 does not start ("invalid plugin key URI \"cri\"").
    toml(
      `[plugins.cri]\n  sandbox_image = "pause"\n${nriHeader}\n  disable = false\n`,
      '[plugins.cri]\n  sandbox_image = "pause"\n[plugins.nri]\n  disable = false\n',
      { fixSays: `in ${configToml}:4 move disable to [plugins.nri]` },
    ),
    toml(nriToml("disabled = false"), on, {
      where: `${configToml}:3`,
      says: "have disabled: no such key",
      fixSays: `in ${configToml}:3 write disable for disabled; then systemctl restart containerd`,
    }),
    toml(nriToml("disable = false", 'plugin_request_timeouts = "5s"'), on, { where: `${configToml}:4` }),
    // Without quotes it is a table in a table; with another kind of plugin it is no plugin at all.
    ...["[plugins.io.containerd.nri.v1.nri]", '[plugins."io.containerd.grpc.v1.nri"]', "[nri]"].map((header) =>
      toml(`${on}${header}\n  disable = false\n  plugin_request_timeout = "5s"\n`, on, {
        says: `NRI's settings under ${header} have disable, plugin_request_timeout: containerd 1.7.24 reads them under`,
        fixSays: `move disable, plugin_request_timeout to ${nriHeader}`,
      }),
    ),
    toml(`${on}[plugins."io.containerd.grpc.v1.cri"]\n  disable_connections = true\n`, on, {
      where: `${configToml}:10`,
      fixSays: `move disable_connections to ${nriHeader}`,
    }),
    toml(nriToml("disable = false", 'required_plugins = ["v01-bridge"]'), on, {
      fixSays: `move required_plugins to [plugins."io.containerd.nri.v1.nri".default_validator]`,
    }),
    {
      make: (node) => runCrio(node, "1.29.1").write("/etc/crio/crio.conf", "[crio]\nenable_nri = true\n"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf", "[crio.nri]\nenable_nri = true\n"),
      says: "cri-o 1.29.1 reads them under [crio.nri]",
    },
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
    off(`version = 2\n[plugins]\n  "${nri}" = {disable = true}\n`, set(":3")),
    off(`version = 2\nplugins."${nri}".disable = true\n`, set(":2")),
    // Another section has the same line.
    off(`version = 2\n[plugins."io.containerd.x.v1.other"]\ndisable = true\n${nriHeader}\ndisable = true\n`, set(":5")),
    // In single quotes, as containerd 2 writes it.
    off(`version = 3\ndisabled_plugins = ['io.containerd.snapshotter.v1.btrfs', '${nri}']\n`, take(":2", nri), two),
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
      make: (node) => runCrio(node, "1.29.1"),
      options: ignoring,
      mend: (node) => node.write("/etc/crio/crio.conf.d/99-nri.conf", "[crio.nri]\nenable_nri = true\n"),
      says: "its default",
      fixSays: "in /etc/crio/crio.conf.d/99-nri.conf set enable_nri = true under [crio.nri]",
    },
    crio("crio.conf.d/20.conf", "enable_nri = false", "1.31.0", "enable_nri = true"),
    crio("crio.conf.d/10/20.conf", "enable_nri = false", "1.31.0", "enable_nri = true"),
    {
      ...crioStarted(),
      make: (node) =>
        runCrio(node, "1.31.0", ["--config-dir", "/srv/crio.d"], ["CONTAINER_CONFIG=/srv/crio.conf"])
          .write("/srv/crio.conf", "[crio.nri]\nenable_nri = false\n")
          .write("/srv/crio.d/1.conf", requiringCrio),
      where: "/srv/crio.conf:2",
    },
    {
      // A flag wins over the files.
      ...crioStarted("--enable-nri=false"),
      where: "the command line of crio",
      fixSays: "in the command line of crio set --enable-nri=true; then systemctl restart crio",
    },
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
  "required-plugins-unset": [
    validator(nriToml("disable = false"), {
      where: configToml,
      fixSays: `in ${configToml}:2 set enable = true, required_plugins = ["v01-bridge"], tolerate_missing_plugins_annotation = "tolerate-missing-plugins.nri-v01-bridge" under [plugins."${nri}".default_validator]; then systemctl restart containerd`,
    }),
    validator(on.replace("enable = true", "enable = false")),
    {
      make: (node) => runCrio(node, "1.34.1").remove(crioRequired),
      options: ignoring,
      mend: (node) => node.write(crioRequired, requiringCrio),
      fixSays: "set nri_enable_default_validator = true, nri_validator_required_plugins = [",
    },
  ],
  "required-plugins-unknown": [
    validator(on.replace("v01-bridge", "nri-v01-bridge"), {
      where: `${configToml}:6`,
      says: "requires the plugin nri-v01-bridge, and the bridge's name is v01-bridge",
      fixSays: `in ${configToml}:6 set required_plugins = ["v01-bridge"] under`,
    }),
    validator(on.replace('"v01-bridge"', '"v01-bridge", "policy"'), { says: "requires the plugin policy" }),
    {
      ...validator(on),
      options: { config: "pluginName: v010-adapter\n" },
      mend: (node) => node.write("/etc/bridge.yaml", "pluginName: v01-bridge\n"),
    },
    {
      make: (node) => runCrio(node, "1.34.1", ["--nri-validator-required-plugins=policy,v01-brigde"]),
      options: ignoring,
      mend: (node) => runCrio(node, "1.34.1"),
      fixSays:
        "in the command line of crio set --nri-validator-required-plugins=policy,v01-bridge; then systemctl restart crio",
    },
  ],
  "required-plugins-not-tolerated": [
    validator(on.replace(/^ *tolerate.*$/m, ""), { fixSays: 'set tolerate_missing_plugins_annotation = "tolerate' }),
  ],
  "adjustments-refused": [
    {
      ...validator(on.replace(/$/, "  reject_sysctl_adjustment = true\n")),
      options: { config: "phase: create\n" },
      says: "refuses adjustments of sysctl",
    },
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
    {
      ...crioStarted("--nri-plugin-request-timeout", "600ms"),
      fixSays: "in the command line of crio set --nri-plugin-request-timeout=2s",
    },
  ],
  "crio-starts-all-the-same": [
    {
      make: (node) => runCrio(node, "1.34.1"),
      mend: { options: { config: "phase: create\n" } },
      fixSays:
        "for a plugin that needs no pid, which there is none of then: in /etc/nri-v01-bridge/config.yaml set phase: create",
    },
    {
      make: (node) => runCrio(node, "1.34.1").write(confJson, listed("labels", "other")).write(other, script, 0o755),
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
    { ...crioStarted("--nri-listen=/run/crio/nri.sock"), says: "cri-o listens on /run/crio/nri.sock" },
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
  "bridge-config-fault": [
    {
      make: (node) => node.write("/etc/bridge.yaml/.keep", ""),
      mend: (node) => node.remove("/etc/bridge.yaml"),
      says: "the configuration cannot be read: it is a folder, and a file is expected (EISDIR)",
    },
    settings("confFle: /x\n", "{}\n", { says: 'unknown key "confFle"; did you mean "confFile"?' }),
    settings("timeoutMs: soon\n", "timeoutMs: 500\n"),
  ],
  "bridge-config-permissions": [
    {
      make: (node) => node.write("/etc/bridge.yaml", "").chmod("/etc/bridge.yaml", 0o666),
      mend: "its fix",
      says: "/etc/bridge.yaml: mode 0666 lets everybody write it",
    },
  ],
  "bridge-settings-unused": [
    settings("plugins: {lables: {timeoutMs: 10}}\n", "plugins: {labels: {timeoutMs: 10}}\n", {
      says: "has settings for lables",
      fixSays: "write labels for lables under plugins, if that is meant",
    }),
  ],
  "conf-empty": [
    ...["{}", "null", '{"plugins": null}', '{"plugins": []}'].map((text) => empty(text, { says: "lists no plugin" })),
    {
      ...empty(""),
      make: (node) => node.remove(confJson).remove(labels),
      says: "is not there",
      fixSays: "nothing, if no plugin is to run here; else put back the file that listed the plugins",
    },
  ],
  "conf-fault": [
    conf('{"version": "0.1",\n "plugins": {}}', {
      where: `${confJson}:2:13`,
      says: '"plugins" is an object, and a list is expected (containerd 1.6: json: cannot unmarshal object into',
    }),
    conf(`\ufeff${listed("labels")}`, {
      where: `${confJson}:1:1`,
      says: "it begins with a byte order mark (EF BB BF), which editors do not show (containerd 1.6: invalid character 'ï'",
      fixSays: "save /etc/nri/conf.json as UTF-8 without a byte order mark",
    }),
    empty(" \n", {
      says: "it is empty",
      fixSays: 'until then {"version": "0.1", "plugins": []} in /etc/nri/conf.json lets pods start without any',
    }),
    {
      make: (node) => node.remove(confJson).write(`${confJson}/.keep`, ""),
      mend: (node) => node.remove(confJson).write(confJson, listed("labels")),
      fixSays: `mv -n ${confJson} ${confJson}.directory # then`,
    },
    conf('{"version": "0.1", "plugins": [{"type": "labels"}, null]}', { where: `${confJson}:1:52`, says: "is null" }),
  ],
  "conf-permissions": [
    { make: (node) => node.chmod(confJson, 0o666), mend: "its fix", where: confJson },
    {
      // A directory that has to be open to everybody is left so.
      make: (node) => node.chmod("/etc/nri", 0o1777),
      mend: (node) => node.chmod("/etc/nri", 0o755),
      fixSays: `move ${confJson} out of /etc/nri, to a directory that root alone can write`,
    },
  ],
  "conf-ignored": [
    conf(`${listed("labels")}\n ${listed("other")}`, {
      where: `${confJson}:2:2`,
      says: "text after its first JSON value",
    }),
    conf('{"version": "0.1", "plugin": [], "plugins": [{"type": "labels"}]}', {
      says: 'a key "plugin"',
      where: `${confJson}:1:20`,
      fixSays: `remove it at ${confJson}:1:20; if "plugins" was meant, what it says belongs there`,
    }),
    conf('{"Plugins": [\n  {"Type": "labels" ,\n   "config": {}}]}', {
      says: 'a key "plugins[0].config"',
      where: `${confJson}:3:4`,
    }),
  ],
  "plugin-refused": [
    {
      make: (node) => node.write(confJson, listed(labels, "labels")),
      options: { flags: { types: "plugin-dirs" } },
      mend: { options: { flags: { types: "any" } } },
    },
  ],
  "plugin-not-executable": [
    {
      make: (node) => node.remove(labels).write(`${labels}/labels`, script, 0o755),
      mend: (node) => node.remove(labels).write(labels, script, 0o755),
      where: labels,
      says: "is a directory",
    },
    {
      make: (node) => node.write(confJson, listed(tool)).remove(labels).link(tool, "gone"),
      mend: (node) => node.write("/opt/tools/gone", script, 0o755),
      where: tool,
      says: "is a link to gone, which is not there",
    },
    { make: (node) => node.chmod(labels, 0o644), mend: "its fix", where: labels },
  ],
  "plugin-not-found": [
    {
      make: (node) => node.remove(labels),
      mend: (node) => node.write(labels, script, 0o755),
      where: `${confJson}#/plugins/0`,
      says: 'exec: "labels": executable file not found in $PATH',
      fixSays: "install the program as /opt/nri/bin/labels, with mode 0755; or, where its name is misspelt, correct it",
    },
    conf('{"plugins": [{"type": "labels"}, {"conf": {}}]}', {
      where: `${confJson}#/plugins/1`,
      says: "plugins[1]: exec: no command",
      fixSays: `give the entry in ${confJson} a type`,
    }),
    conf(listed("/opt/tools/lables", "labels"), {
      fixSays: "install the program as /opt/tools/lables, with mode 0755",
    }),
  ],
  "plugin-no-shebang": [program("echo hello\n")],
  "plugin-wrong-architecture": [
    program(elf(183), {
      says: "is a program for another machine than this, which is x64",
      fixSays: "install the x64 build of labels",
    }),
  ],
  "plugin-needs": [
    program('#!/bin/sh\r\necho "{}"\r\n', {
      where: labels,
      says: 'needs "/bin/sh\\r", which is not there',
      fixSays: `write ${labels} with line ends of \\n alone`,
    }),
    program("#!/usr/bin/python2\n", { says: 'needs "/usr/bin/python2", which is not there' }),
    program("#!/usr/bin/env -S X=1 python3 -u\n", { says: 'needs "python3", which is not on its PATH' }),
    {
      ...program(elf(62, "/lib/ld-musl-x86_64.so.1"), { says: 'needs "/lib/ld-musl-x86_64.so.1", which is not there' }),
      mend: (node) => node.write("/lib/ld-musl-x86_64.so.1", ""),
    },
  ],
  "plugin-writable": [
    { make: (node) => node.chmod(labels, 0o777), mend: "its fix", where: labels, says: "lets everybody write it" },
    { make: (node) => node.chmod("/opt/nri/bin", 0o777), mend: "its fix", says: "/opt/nri/bin: mode 0777" },
    {
      make: (node) => node.write("/tmp/labels", script, 0o755).chmod("/tmp", 0o1777).link(labels, "/tmp/labels"),
      mend: (node) => node.write("/opt/own/labels", script, 0o755).link(labels, "/opt/own/labels"),
      fixSays: `a link on the way to ${labels} leads to /tmp: put what it leads to into a directory that root alone can write`,
    },
    {
      make: (node) => node.write("/opt/own/inter", script, 0o777).write(labels, "#!/opt/own/inter\n", 0o755),
      mend: "its fix",
      where: labels,
      says: `/opt/own/inter: mode 0777 lets everybody write it`,
      fixSays: "chmod go-w /opt/own/inter",
    },
    {
      make: (node) =>
        node
          .write("/srv/bin/inter", script, 0o755)
          .chmod("/srv/bin", 0o1777)
          .write(labels, "#!/srv/bin/inter\n", 0o755),
      mend: (node) => node.write(labels, script, 0o755),
      fixSays: `let the first line of ${labels} lead to a directory that root alone can write, and not to /srv/bin`,
    },
    {
      make: (node) =>
        node.program("/usr/bin/env", "").program("/usr/bin/tool", "").write(labels, "#!/usr/bin/env -i tool\n", 0o755),
      mend: (node) => node.write(labels, script, 0o755),
      says: `it gives env "-i tool", which is not followed`,
      fixSays: `name the interpreter by its path in the first line of ${labels}`,
    },
  ],
  "plugin-shadowed": [
    {
      make: (node) => node.write("/usr/bin/labels", script, 0o755),
      mend: (node) => node.remove("/usr/bin/labels"),
      says: "/opt/nri/bin/labels and /usr/bin/labels",
      fixSays: 'if /opt/nri/bin/labels is meant, "type": "/opt/nri/bin/labels" in /etc/nri/conf.json says so',
    },
  ],
  "plugin-for-nri-v2": [
    {
      make: (node) => node.write(other, nri2, 0o755),
      mend: (node) => node.move(other, "/opt/nri/plugins/20-other"),
      where: other,
      fixSays: "leave it out of /etc/nri/conf.json; a plugin of NRI v2 runs as a service, or from /opt/nri/plugins",
    },
    {
      make: (node) => node.write(confJson, listed("labels", "other")).write(other, nri2, 0o755),
      mend: (node) => node.write(confJson, listed("labels")).move(other, "/opt/nri/plugins/20-other"),
      where: other,
      fixSays: "take it out of /etc/nri/conf.json, if it does not speak v0.1 as well",
    },
  ],
  "plugin-needs-conf": [
    {
      make: (node) =>
        node
          .write("/opt/nri/bin/gadget-nrigadget", script, 0o755)
          .write(confJson, listed("labels", "gadget-nrigadget")),
      mend: (node) =>
        node.write(confJson, '{"plugins": [{"type": "labels"}, {"type": "gadget-nrigadget", "conf": {}}]}'),
      says: 'gadget-nrigadget has no "conf" in /etc/nri/conf.json',
      fixSays: '{"type": "gadget-nrigadget", "conf": {"socketFile": "/run/gadgettracermanager.socket"}}',
    },
  ],
  "plugin-needs-events": [
    {
      make: (node) =>
        node
          .write("/opt/nri/bin/rootfs-persister", script, 0o755)
          .write(confJson, '{"plugins": [{"type": "labels"}, {"type": "rootfs-persister", "conf": {"pid": 7}}]}'),
      mend: (node) =>
        node.write(
          "/etc/bridge.yaml",
          "plugins: {rootfs-persister: {events: {PostCreateContainer: postCreate, RemoveContainer: removal}}}\n",
        ),
      fixSays:
        "set plugins: {rootfs-persister: {events: {PostCreateContainer: postCreate, RemoveContainer: removal}}}; then",
    },
  ],
  "plugin-not-listed": [
    {
      make: (node) => node.write(other, script, 0o755),
      mend: (node) => node.write(confJson, listed("labels", "other")),
      where: other,
    },
    {
      // What is listed by its path, or by that of a link to it, is listed.
      make: (node) => node.write(other, script, 0o755).link("/srv/there", other),
      mend: (node) => node.write(confJson, listed(labels, "/srv/there")),
    },
  ],
  "plugin-cgroup-v1-only": [
    { make: onV2(clearcfs), mend: toV1, says: "labels writes to cgroup v1 (cgroup/cpu/, cpu.cfs_quota_us)" },
    { make: onV2(Buffer.concat([elf(62), goText])), mend: (node) => node.write(labels, elf(62), 0o755), where: labels },
    {
      make: onV2(clearcfs),
      options: { config: "plugins:\n  labels:\n    async: false\n" },
      mend: (node) => node.write("/etc/bridge.yaml", "plugins: {labels: {cgroup: capture}}\n"),
      fixSays: "bridge.yaml:2 set plugins: {labels: {cgroup: capture}}; then systemctl reload nri-v01-bridge (",
    },
    {
      // Where no view can be made, each create would fail with it.
      make: onV2(clearcfs),
      options: { capture: { ok: false, reason: "the bridge lacks it", remedy: "be root; or set cgroup: host" } },
      mend: toV1,
      fixSays: "first be root; then in /etc/nri-v01-bridge/config.yaml set plugins: {labels: {cgroup: capture}}",
    },
  ],
  "capture-impossible": [
    {
      options: { config: "phase: create\n", capture: { ok: false, reason: "the bridge lacks it", remedy: "be root" } },
      mend: { options: { config: "phase: create\n" } },
      says: "no captured cgroup view can be made for labels: the bridge lacks it",
    },
  ],
  "sandbox-failure-untold": [
    {
      make: apart("2.1.9~ds1"),
      mend: apart("2.2.6"),
      says: "containerd 2.1.9~ds1 is not told that the create of a pod sandbox failed (labels)",
      fixSays: "go to containerd 2.2.6 or 2.3.3, or later",
    },
    { make: apart("2.3.2"), mend: { options: { config: "onFailure: {create: ignore}\n" } } },
    { make: apart("2.3.2"), mend: apart("2.3.3") },
  ],
  "sandboxes-unserved": [
    { ...never, mend: auto, says: "the runtime runs no v0.1 plugins for this sandbox itself" },
    {
      // Its own controller is not the default handler's.
      make: (node) =>
        runContainerd(node, "2.2.7").write(
          configToml,
          `version = 3\n${requiringToml}[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]\nsandboxer = "shim"\n`,
        ),
      ...never,
      mend: auto,
    },
  ],
  "sandboxes-twice": [
    { make: (node) => runContainerd(node, "2.2.7"), options: { config: "sandboxes: always\n" }, mend: never },
    {
      make: (node) => runContainerd(node, "1.7.24", ["ENABLE_CRI_SANDBOXES=1"]),
      options: { config: "sandboxes: always\n" },
      mend: auto,
    },
  ],
  "not-root": [{ options: { self: { uid: 1000 } }, mend: { options: {} } }],
  "state-not-writable": [
    {
      make: (node) => node.write("/var/lib/nri-v01-bridge", "a file"),
      mend: { options: { config: "state: memory\n" } },
      fixSays: "make /var/lib/nri-v01-bridge a directory that is the bridge's alone",
    },
  ],
  "migrate-cgroup-v1": [
    {
      ...migrate,
      make: (node) => node.write(labels, clearcfs, 0o755),
      mend: (node) => node.write(labels, script, 0o755),
      fixSays: "on the new node in /etc/nri-v01-bridge/config.yaml set plugins: {labels: {cgroup: capture}}",
    },
  ],
  "migrate-lookup": [
    {
      // 1.6's own PATH says what 1.6 runs.
      ...migrate,
      make: (node) =>
        node.process(100, "/usr/bin/containerd", [], ["PATH=/srv/bin"]).write("/srv/bin/labels", script, 0o755),
      mend: (node) => node.remove("/srv/bin"),
      says: "labels is /srv/bin/labels under containerd 1.6, and will be /opt/nri/bin/labels",
    },
  ],
  "migrate-switch-on-nri": ["version = 2\n", nriToml("disable = true"), `${nriHeader}\n  disable = false\n`].map(
    (text) => ({
      // 1.6 ignores the section: it may stand there before the upgrade.
      ...migrate,
      make: (node) => runContainerd(node, "1.6.20~ds1").write(configToml, text),
      mend: (node) => node.write(configToml, nriToml("disable = false")),
      fixSays: "disable = false",
    }),
  ),
};
