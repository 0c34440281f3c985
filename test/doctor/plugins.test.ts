import { cgroupV1 } from "./fake-node.js";
import { confJson, describeFaults, elf, labels, listed, script } from "./faults.js";

const tool = "/opt/tools/labels";

describeFaults("plugins", {
  "plugin-not-found": [
    {
      make: (node) => node.remove(labels),
      mend: (node) => node.write(labels, script, 0o755),
      where: `${confJson}#/plugins/0`,
      says: 'exec: "labels": executable file not found in $PATH',
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
  ],
  "plugin-shadowed": [
    {
      make: (node) => node.write("/usr/bin/labels", script, 0o755),
      mend: (node) => node.remove("/usr/bin/labels"),
      says: "/opt/nri/bin/labels and /usr/bin/labels",
    },
  ],
  "plugin-no-shebang": [{ make: (node) => node.write(labels, "echo hello\n", 0o755), mend: "its fix" }],
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
});
