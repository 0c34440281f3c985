import { cgroupV1, cgroupV2, type FakeNode } from "../fake-node.js";
import {
  clearcfs,
  confJson,
  elf,
  type Fault,
  type Faults,
  labels,
  listed,
  type Says,
  script,
  wrote,
} from "../faults.js";

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

export const configurationFaults: Faults = {
  "bridge-config-fault": [
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
    conf('{"version": "0.1",\n "plugins": {}}', { where: `${confJson}:2:13` }),
    conf(`\ufeff${listed("labels")}`, { where: `${confJson}:1:1` }),
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
      make: (node) => node.chmod("/etc/nri", 0o777),
      mend: "its fix",
      says: "/etc/nri: mode 0777 lets everybody write it",
    },
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
    {
      make: (node) => node.write(confJson, listed(tool)).write(tool, script).remove(labels),
      mend: "its fix",
      where: tool,
    },
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
    { make: onV2(clearcfs), mend: { options: { config: "phase: create\n" } } },
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
};
