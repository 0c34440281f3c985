import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";

const cgroupRoot = "/sys/fs/cgroup";

/**
 * Removes the pod cgroups of one daemon, known by the part that all its pods' uids have in common. The runtime removes
 * the containers' cgroups; the pods' are the kubelet's to remove.
 */
export async function removePodCgroups(uidPart: string): Promise<void> {
  for (const directory of await findPodCgroups(uidPart)) await removeTree(directory);
}

/** Both layouts: one directory per controller (v1), or the root itself (v2). */
async function hierarchies(): Promise<string[]> {
  const names: string[] = await readdir(cgroupRoot).catch(() => []);
  return names.includes("cgroup.controllers") ? [cgroupRoot] : names.map((name) => join(cgroupRoot, name));
}

/** Where runtimes put pods here, deepest first: what the kubelet would have made, and containerd's default. */
const parents = ["kubepods/besteffort", "kubepods", "k8s.io"];

/** Removes what is empty of the pods' common parents. */
export async function removeEmptyParents(): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    for (const parent of parents) await rmdir(join(hierarchy, parent)).catch(() => {});
  }
}

/** The cgroups, in any hierarchy, of the pods of one daemon. */
export async function findPodCgroups(uidPart: string): Promise<string[]> {
  const found: string[] = [];
  for (const hierarchy of await hierarchies()) {
    for (const parent of ["", ...parents]) {
      const names: string[] = await readdir(join(hierarchy, parent)).catch(() => []);
      found.push(...names.filter((name) => name.includes(uidPart)).map((name) => join(hierarchy, parent, name)));
    }
  }
  return found;
}

/** Removes a cgroup and the ones in it, deepest first. One that is in use stays. */
async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name));
  await rmdir(directory).catch(() => {});
}
