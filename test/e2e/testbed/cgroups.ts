import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

const cgroupRoot = "/sys/fs/cgroup";

/**
 * Removes the pod cgroups of one daemon, known by the part that all its pods' uids have in common. The runtime removes
 * the containers' cgroups; the pods' are the kubelet's to remove.
 */
export async function removePodCgroups(uidPart: string): Promise<void> {
  for (const hierarchy of await hierarchies()) await removeBelow(hierarchy, (path) => path.includes(uidPart));
}

/** Both layouts: one directory per controller (v1), or the root itself (v2). */
async function hierarchies(): Promise<string[]> {
  const names = await readdir(cgroupRoot).catch(() => []);
  return names.includes("cgroup.controllers") ? [cgroupRoot] : names.map((name) => join(cgroupRoot, name));
}

const parents = ["kubepods", "kubepods/besteffort", "k8s.io"];

async function removeBelow(hierarchy: string, ours: (path: string) => boolean): Promise<void> {
  for (const parent of ["", ...parents]) {
    const directory = join(hierarchy, parent);
    for (const name of await readdir(directory).catch(() => [])) {
      if (ours(name)) await removeTree(join(directory, name));
    }
  }
}

/** Removes a cgroup and the ones in it, deepest first. One that is in use stays. */
async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  await rmdir(directory).catch(() => {});
}
