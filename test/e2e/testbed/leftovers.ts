import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The directory of a daemon begins like this, and goes on with a random part. */
export const daemonDirectory = join(tmpdir(), `nri-e2e-${process.pid}-`);

let daemons = 0;

/** Eight hexadecimal digits for a daemon's pod uids: which test process it belongs to, and which one it is there. */
export function nextUidPart(): string {
  daemons++;
  return process.pid.toString(16).padStart(6, "0") + (daemons & 0xff).toString(16).padStart(2, "0");
}

const podUid = /00000000-0000-4000-8000-([0-9a-f]{6})[0-9a-f]{2}\d{4}/;

/** Removes files and cgroups of test processes that were killed. Their processes and mounts ended with them. */
export async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^nri-e2e-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(owner)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  await removePodCgroups((name) => {
    const owner = podUid.exec(name)?.[1];
    return owner !== undefined && !isAlive(String(Number.parseInt(owner, 16)));
  });
  for (const hierarchy of await hierarchies()) {
    for (const parent of parents) await rmdir(join(hierarchy, parent)).catch(() => {});
  }
}

function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Where runtimes put pods here, deepest first: what the kubelet would have made, and containerd's default. */
const parents = ["kubepods/besteffort", "kubepods", "k8s.io"];

/** Removes pods' cgroups by name: the runtime removes the containers' cgroups; the pods' are the kubelet's to remove. */
export async function removePodCgroups(isOurs: (name: string) => boolean): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    for (const parent of ["", ...parents]) {
      const names: string[] = await readdir(join(hierarchy, parent)).catch(() => []);
      for (const name of names.filter(isOurs)) await removeTree(join(hierarchy, parent, name));
    }
  }
}

/** Both layouts: one directory per controller (v1), or the root itself (v2). */
async function hierarchies(): Promise<string[]> {
  const root = "/sys/fs/cgroup";
  const names: string[] = await readdir(root).catch(() => []);
  return names.includes("cgroup.controllers") ? [root] : names.map((name) => join(root, name));
}

/** Removes a cgroup and the ones in it, deepest first. One that is in use stays. */
async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  await rmdir(directory).catch(() => {});
}
