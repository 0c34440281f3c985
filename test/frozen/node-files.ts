import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";

const mounts = [
  "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
  "30 20 0:30 / /sys/fs/cgroup/cpu rw,nosuid,noexec - cgroup cgroup rw,cpu",
];

/** A node with a containerd that runs, NRI switched on and one plugin: what `doctor --root` finds nothing about. */
const files = {
  "proc/100/comm": "containerd\n",
  "proc/100/cmdline": "/usr/bin/containerd\0",
  "proc/100/environ": "PATH=/usr/bin:/bin\0",
  "proc/self/mountinfo": `${mounts.join("\n")}\n`,
  "proc/self/net/unix":
    "Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 00000000 00010000 0001 01 777 /run/nri/nri.sock\n",
  "usr/bin/containerd": "#!/bin/sh\necho 'containerd github.com/containerd/containerd 1.7.24 0123abc'\n",
  "bin/sh": "#!/bin/sh\n",
  "etc/containerd/config.toml": 'version = 2\n\n[plugins."io.containerd.nri.v1.nri"]\n  disable = false\n',
  "etc/nri/conf.json": '{"version": "0.1", "plugins": [{"type": "labels"}]}\n',
  "opt/nri/bin/labels": "#!/bin/sh\necho '{}'\n",
  "var/lib/.keep": "",
} as const;

/** Writes the node's files below a folder that is not there, and listens at its NRI socket. */
export async function placeNode(root: string): Promise<Server> {
  for (const [file, text] of Object.entries(files)) writeNodeFile(root, file, text);
  for (const [link, target] of [
    ["proc/100/exe", "/usr/bin/containerd"],
    ["proc/100/root", root],
    ["var/run", "/run"],
  ] as const) {
    symlinkSync(target, join(root, link));
  }
  const socket = join(root, "run/nri/nri.sock");
  mkdirSync(dirname(socket), { recursive: true });
  const server = createServer();
  await new Promise<void>((ready) => server.listen(socket, ready));
  return server;
}

export function writeNodeFile(root: string, file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text, { mode: file.includes("bin/") ? 0o755 : 0o644 });
}
