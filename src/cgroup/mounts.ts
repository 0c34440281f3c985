import { closeSync, constants, openSync } from "node:fs";

import { BridgeError, errorText } from "../errors.js";
import { parseMountinfo } from "../host/mountinfo.js";

/** A mounted cgroup file system. */
export interface CgroupMount {
  readonly version: 1 | 2;
  /** Where it is mounted. */
  readonly point: string;
  /** Which of its directories is mounted there: `/`, or another one in a container. */
  readonly root: string;
}

/** The machine's cgroup mounts. On a hybrid host some controllers are on v1, and what is left is on v2. */
export interface CgroupMounts {
  /** By controller. */
  readonly v1: ReadonlyMap<string, CgroupMount>;
  readonly v2: CgroupMount | undefined;
}

/** Finds the cgroup mounts in the text of /proc/self/mountinfo; of several for one controller the first. */
export function parseCgroupMounts(mountinfo: string): CgroupMounts {
  const v1 = new Map<string, CgroupMount>();
  let v2: CgroupMount | undefined;
  for (const { root, point, type, superOptions } of parseMountinfo(mountinfo)) {
    if (type === "cgroup2") v2 ??= { version: 2, point, root };
    if (type !== "cgroup") continue;
    for (const option of superOptions) if (!v1.has(option)) v1.set(option, { version: 1, point, root });
  }
  return { v1, v2 };
}

/** A cgroup's directory, held open. */
export interface CgroupDirectory {
  readonly version: 1 | 2;
  /** For messages. */
  readonly name: string;
  /** A path that stays this directory's, whatever is renamed or linked meanwhile. */
  readonly path: string;
  close(): void;
}

/**
 * Opens the directory of a cgroup below its mount, name by name and never through a link, so that nothing outside the mount is
 * reached; undefined when it does not exist. `path`: as resolveCgroupsPath answers.
 * @throws BridgeError ADJUSTMENT
 */
export function openCgroup(mount: CgroupMount, path: string): CgroupDirectory | undefined {
  const inside = belowRoot(mount, path);
  const name = `${mount.point}${inside}`;
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(mount.point, flags);
    for (const part of inside.split("/").filter((text) => text !== "")) {
      if (part === "." || part === "..") throw new Error(`it holds ${part}`);
      const next = openSync(`/proc/self/fd/${descriptor}/${part}`, flags | constants.O_NOFOLLOW);
      closeSync(descriptor);
      descriptor = next;
    }
    const opened = descriptor;
    return { version: mount.version, name, path: `/proc/self/fd/${opened}`, close: () => closeSync(opened) };
  } catch (thrown) {
    if (descriptor !== undefined) closeSync(descriptor);
    if (isMissing(thrown)) return undefined;
    throw new BridgeError("ADJUSTMENT", `the cgroup ${name} cannot be opened: ${errorText(thrown)}`, { cgroup: name });
  }
}

export function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}

function belowRoot({ root, point }: CgroupMount, path: string): string {
  if (root === "/") return path;
  if (path.startsWith(`${root}/`)) return path.slice(root.length);
  throw new BridgeError("ADJUSTMENT", `the cgroup ${path} is not below ${root}, which is all that ${point} shows`, {
    cgroup: path,
  });
}
