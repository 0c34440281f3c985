import { describe, expect, it, onTestFinished } from "vitest";
import { guardFile } from "../../src/doctor/permission-fix.js";
import { cgroupV1, healthyNode } from "./fake-node.js";
import { confJson, describeFaults, elf, labels, listed, script } from "./faults.js";

const tool = "/opt/tools/labels";
/** Where its protobuf package stands in a program that was built with NRI's stub. */
const nri2 = Buffer.concat([elf(62), Buffer.from("\0/nri.pkg.api.v1alpha1.Runtime/RegisterPlugin\0")]);

describeFaults("plugins", {
  "plugin-not-found": [
    {
      make: (node) => node.remove(labels),
      mend: (node) => node.write(labels, script, 0o755),
      where: `${confJson}#/plugins/0`,
      says: 'exec: "labels": executable file not found in $PATH',
      fixSays: "install the program as /opt/nri/bin/labels, with mode 0755",
    },
    {
      make: (node) => node.write(confJson, listed("Label", "labels")),
      mend: (node) => node.write(confJson, listed("labels")),
      fixSays:
        'write "type": "labels" in /etc/nri/conf.json, if that is meant; else install the program as /opt/nri/bin/Label',
    },
    {
      make: (node) => node.write(confJson, listed("/opt/tools/lables", "labels")).write(tool, script, 0o755),
      mend: (node) => node.write(confJson, listed("labels")),
      fixSays:
        'write "type": "/opt/tools/labels" in /etc/nri/conf.json, if that is meant; else install the program as /opt/tools/lables',
    },
  ],
  "plugin-is-directory": [
    {
      make: (node) => node.remove(labels).write(`${labels}/labels`, script, 0o755),
      mend: (node) => node.remove(labels).write(labels, script, 0o755),
      where: labels,
    },
  ],
  "plugin-dangling-link": [
    {
      make: (node) => node.link(labels, "/srv/labels"),
      mend: (node) => node.write("/srv/labels", script, 0o755),
      where: labels,
      says: "is a link to /srv/labels, which is not there",
    },
    {
      make: (node) => node.write(confJson, listed(tool)).remove(labels).link(tool, "gone"),
      mend: (node) => node.write("/opt/tools/gone", script, 0o755),
      where: tool,
      says: "is a link to gone",
    },
  ],
  "plugin-carriage-return": [
    {
      make: (node) => node.write(labels, '#!/bin/sh\r\necho "{}"\r\n', 0o755),
      mend: (node) => node.write(labels, script, 0o755),
      where: labels,
      says: "ends with a carriage return (\\r)",
    },
  ],
  "plugin-not-executable": [
    { make: (node) => node.chmod(labels, 0o644), mend: "its fix", where: labels },
    {
      make: (node) => node.write(confJson, listed(tool)).write(tool, script).remove(labels),
      mend: "its fix",
      where: tool,
    },
  ],
  "plugin-without-type": [
    {
      make: (node) => node.write(confJson, '{"plugins": [{"type": "labels"}, {"conf": {}}]}'),
      mend: (node) => node.write(confJson, listed("labels")),
      where: `${confJson}#/plugins/1`,
    },
  ],
  "plugin-refused": [
    {
      make: (node) => node.write(confJson, listed(labels, "labels")),
      options: { flags: { types: "plugin-dirs" } },
      mend: { options: { flags: { types: "any" } } },
    },
  ],
  "plugin-writable": [
    { make: (node) => node.chmod(labels, 0o777), mend: "its fix", where: labels, says: "lets everybody write it" },
    {
      make: (node) => node.chmod("/opt/nri/bin", 0o777),
      mend: "its fix",
      says: "/opt/nri/bin: mode 0777",
    },
    {
      make: (node) => node.write("/tmp/labels", script, 0o755).chmod("/tmp", 0o1777).link(labels, "/tmp/labels"),
      mend: (node) => node.write("/opt/own/labels", script, 0o755).link(labels, "/opt/own/labels"),
      fixSays: `a link on the way to ${labels} leads to /tmp: put what it leads to into a directory that root alone can write`,
    },
    {
      make: (node) =>
        node
          .write(confJson, listed("/tmp/labels"))
          .write("/tmp/labels", script, 0o755)
          .chmod("/tmp", 0o1777)
          .remove(labels),
      mend: (node) => node.write(labels, script, 0o755).write(confJson, listed("labels")),
      fixSays: "move /tmp/labels out of /tmp, to a directory that root alone can write",
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
  "plugin-no-shebang": [
    { make: (node) => node.write(labels, "echo hello\n", 0o755), mend: (node) => node.write(labels, script, 0o755) },
  ],
  "plugin-wrong-architecture": [
    {
      make: (node) => node.write(labels, elf(183), 0o755),
      mend: (node) => node.write(labels, elf(62), 0o755),
      says: "is a program for arm64, and this machine is x64",
    },
    { make: (node) => node.write(labels, elf(62), 0o755), options: { self: { arch: "arm64" } }, mend: { options: {} } },
  ],
  "plugin-no-loader": [
    {
      make: (node) => node.write(labels, elf(62, "/lib/ld-musl-x86_64.so.1"), 0o755),
      mend: (node) => node.write("/lib/ld-musl-x86_64.so.1", ""),
      says: "needs /lib/ld-musl-x86_64.so.1, which is not there",
    },
  ],
  "plugin-no-interpreter": [
    {
      make: (node) => node.write(labels, "#!/usr/bin/python2\n", 0o755),
      mend: (node) => node.program("/usr/bin/python2", ""),
      says: "needs /usr/bin/python2",
    },
    {
      make: (node) => node.write(labels, "#!/usr/bin/env -S X=1 python3 -u\n", 0o755),
      mend: (node) => node.program("/usr/bin/python3", ""),
      says: "needs python3, which /usr/bin/env does not find on PATH",
    },
  ],
  "plugin-noexec": [
    {
      make: (node) => node.write("/proc/self/mountinfo", `${cgroupV1}99 20 0:9 / /opt rw,noexec - ext4 /dev/sdb rw\n`),
      mend: (node) => node.write("/proc/self/mountinfo", `${cgroupV1}99 20 0:9 / /opt rw - ext4 /dev/sdb rw\n`),
    },
  ],
  "plugin-not-listed": [
    {
      make: (node) => node.write("/opt/nri/bin/other", script, 0o755),
      mend: (node) => node.write(confJson, listed("labels", "other")),
      where: "/opt/nri/bin/other",
    },
  ],
  "plugin-for-nri-v2": [
    {
      make: (node) => node.write("/opt/nri/bin/other", nri2, 0o755),
      mend: (node) => node.move("/opt/nri/bin/other", "/opt/nri/plugins/20-other"),
      where: "/opt/nri/bin/other",
      fixSays: "leave it out of /etc/nri/conf.json; a plugin of NRI v2 runs as a service, or from /opt/nri/plugins",
    },
    {
      make: (node) => node.write(confJson, listed("labels", "other")).write("/opt/nri/bin/other", nri2, 0o755),
      mend: (node) => node.write(confJson, listed("labels")).move("/opt/nri/bin/other", "/opt/nri/plugins/20-other"),
      where: "/opt/nri/bin/other",
      fixSays: "take it out of /etc/nri/conf.json, if it does not speak v0.1 as well",
    },
  ],
});

describe("a plugin whose directories are another user's", () => {
  it("is not to take the home from its user", () => {
    const fault = (path: string) => `${path}: it belongs to user 1000; let root own it`;
    const file = "/home/ann/bin/labels";
    expect(guardFile(file, fault("/home/ann"))).toBe(
      `move ${file} out of /home/ann, to a directory that root alone can write`,
    );
    expect(guardFile(labels, fault("/home/ann"))).toMatch(/^a link on the way to /);
    expect(guardFile(labels, fault("/opt/nri/bin"))).toBe(
      `chown root /opt/nri/bin && chmod go-w /opt/nri/bin ${labels}`,
    );
  });
});

describe("plugin-not-found", () => {
  it("does not take a plugin of NRI v2 for the one that is meant", async () => {
    const node = await healthyNode();
    onTestFinished(() => node.close());
    node.remove(labels).write("/opt/nri/bin/label", nri2, 0o755);
    const found = await node.find();
    expect(found.find(({ id }) => id === "plugin-not-found")?.fix).toMatch(/^install the program as/);
  });
});

describe("plugin-not-listed", () => {
  it("is not said of a plugin that conf.json lists by its path, or by that of a link to it", async () => {
    const node = await healthyNode();
    onTestFinished(() => node.close());
    node.write("/opt/nri/bin/linked", script, 0o755).link("/srv/there", "/opt/nri/bin/linked");
    expect(await node.ids()).toEqual(["plugin-not-listed"]);
    expect(await node.write(confJson, listed(labels, "/srv/there")).ids()).toEqual([]);
  });
});
