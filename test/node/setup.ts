import type { ChildProcess } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import type { TestProject } from "vitest/node";
import { has } from "../deploy/support.js";
import { writeImage } from "../e2e/testbed/images.js";
import { Node, suite } from "./node.js";

declare module "vitest" {
  interface ProvidedContext {
    readonly nodeDirectory: string;
    readonly nodeVersions: string;
  }
}

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const directory = process.env.NRI_NODE_DIR ?? join(cache, "nri-v01-bridge-node");
const programs = ["qemu-system-x86_64", "mmdebstrap", "mkfs.ext4", "ssh", "setpriv"];
const versions = `. /etc/os-release; v() { dpkg-query -W -f '\${Version}' "$1"; }
  echo "$PRETTY_NAME: Linux $(uname -r), systemd $(v systemd), containerd $(v containerd), runc $(v runc), Node $(v nodejs)."`;
let machine: ChildProcess | undefined;

/** Makes the node's disk the first time, boots it and gives its containerd an image. A node that answers already is used, and left. */
export async function setup(project: TestProject): Promise<void> {
  const missing = programs.filter((name) => !has(name));
  if (missing.length > 0) throw new Error(`not installed: ${missing.join(", ")} (see test/node/README.md)`);
  await mkdir(directory, { recursive: true });
  if (!Node.isMadeIn(directory))
    await execa(join(import.meta.dirname, "image.sh"), [suite, directory], { stdio: "inherit" });
  const node = new Node(directory);
  if ((await node.try("true")).code !== 0) {
    machine = node.boot();
    await node.waitForBoot();
    await rm(join(directory, "image"), { recursive: true, force: true });
    const image = await writeImage(join(directory, "busybox"), join(directory, "image"));
    await node.run("ctr -n k8s.io images import -", await readFile(image));
  }
  project.provide("nodeDirectory", directory);
  project.provide("nodeVersions", await node.run(versions));
}

export function teardown(): void {
  machine?.kill("SIGKILL");
}
