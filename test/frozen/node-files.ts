import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";

const mounts = [
  "20 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
  "30 20 0:30 / /sys/fs/cgroup/cpu rw,nosuid,noexec - cgroup cgroup rw,cpu",
];

const past = "2026-01-02T03:04:05.678Z";
/** What docs/json.md says of status.json. */
const status = {
  ...{ version: "1.0.0", pid: 200, mode: "external", plugin: "10-v01-bridge", registered: past, lastEvent: past },
  ...{ runtime: { name: "containerd", version: "1.7.24" }, socket: "/var/run/nri/nri.sock", starts: [past] },
  ...{ configuration: { file: null, digest: "0123456789abcdef" }, lastFailure: null, end: null },
};

/** A node with a containerd that runs, NRI switched on, the bridge and one plugin: what `doctor --root` finds nothing about. */
const files = {
  "proc/100/comm": "containerd\n",
  "proc/100/cmdline": "/usr/bin/containerd\0",
  "proc/100/environ": "PATH=/usr/bin:/bin\0",
  "proc/200/comm": "node\n",
  "proc/200/cmdline": "/usr/bin/node\0/usr/local/bin/nri-v01-bridge\0run\0",
  "proc/200/environ": "",
  "proc/200/stat": `200 (node) S 1${" 0".repeat(17)} 100${" 0".repeat(30)}\n`,
  "proc/200/wchan": "ep_poll",
  "proc/200/cgroup": "0::/system.slice/nri-v01-bridge.service\n",
  "var/lib/nri-v01-bridge/status.json": `${JSON.stringify(status)}\n`,
  "proc/self/mountinfo": `${mounts.join("\n")}\n`,
  "proc/self/net/unix":
    "Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 00000000 00010000 0001 01 777 /run/nri/nri.sock\n",
  "usr/bin/containerd": "#!/bin/sh\necho 'containerd github.com/containerd/containerd 1.7.24 0123abc'\n",
  "bin/sh": "#!/bin/sh\n",
  "etc/containerd/config.toml": 'version = 2\n\n[plugins."io.containerd.nri.v1.nri"]\n  disable = false\n',
  "etc/nri/conf.json": '{"version": "0.1", "plugins": [{"type": "labels"}]}\n',
  "opt/nri/bin/labels": "#!/bin/sh\necho '{}'\n",
} as const;

/** Writes the node's files below a folder that is not there, and listens at its NRI socket. */
export async function placeNode(root: string): Promise<Server> {
  for (const [file, text] of Object.entries(files)) writeNodeFile(root, file, text);
  for (const [link, target] of [
    ["proc/100/exe", "/usr/bin/containerd"],
    ["proc/100/root", root],
    ["proc/200/exe", "/usr/bin/node"],
    ["proc/200/root", root],
    ["var/run", "/run"],
  ] as const) {
    symlinkSync(target, join(root, link));
  }
  chmodSync(join(root, "var/lib/nri-v01-bridge"), 0o700);
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
