import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPodCgroups, removeEmptyParents, removePodCgroups } from "./cgroups.js";

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
    if (owner !== undefined && !isAlive(Number(owner)))
      await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  for (const directory of await findPodCgroups("00000000-0000-4000-8000-")) {
    const owner = podUid.exec(directory)?.[1];
    if (owner !== undefined && !isAlive(Number.parseInt(owner, 16)))
      await removePodCgroups(podUid.exec(directory)?.[0] ?? "-");
  }
  await removeEmptyParents();
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
