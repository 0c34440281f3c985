import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

import { BridgeError, errorText } from "../errors.js";
import { resolveCgroupsPath } from "./cgroups-path.js";
import { type CgroupDirectory, type CgroupMount, type CgroupMounts, isMissing, openCgroup } from "./mounts.js";

const maxBytes = 64 * 1024;

/** A container's real cgroup: its directory in each hierarchy that is asked for, v1 where that is mounted, else v2. */
export class ContainerCgroup {
  readonly path: string;
  private readonly opened = new Map<string, CgroupDirectory | undefined>();

  /** @throws BridgeError ADJUSTMENT for a cgroupsPath that names no cgroup */
  constructor(
    private readonly mounts: CgroupMounts,
    cgroupsPath: string,
  ) {
    this.path = resolveCgroupsPath(cgroupsPath);
  }

  /** The version that a controller is on; undefined where no cgroup file system is mounted for it. */
  versionOf(controller: string): 1 | 2 | undefined {
    return (this.mounts.v1.get(controller) ?? this.mounts.v2)?.version;
  }

  /** A file's text without its last newline; undefined where the file, or the whole cgroup, is not there. */
  read(controller: string, file: string): string | undefined {
    const directory = this.directory(controller);
    if (directory === undefined) return undefined;
    let descriptor: number;
    try {
      descriptor = openFile(directory, file, constants.O_RDONLY);
    } catch (thrown) {
      if (isMissing(thrown)) return undefined;
      throw thrown;
    }
    try {
      const buffer = Buffer.alloc(maxBytes);
      return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, maxBytes, 0)).replace(/\n$/, "");
    } finally {
      closeSync(descriptor);
    }
  }

  exists(controller: string, file: string): boolean {
    return this.read(controller, file) !== undefined;
  }

  /**
   * Writes a value, each of its lines at once, as the kernel wants it. Throws what the system says.
   *
   * compat: opencontainers/cgroups WriteFileByLine. A file with a line for each device takes one of them in a write.
   */
  write(controller: string, file: string, value: string): void {
    const directory = this.directory(controller);
    if (directory === undefined) throw new BridgeError("ADJUSTMENT", "the cgroup does not exist");
    const descriptor = openFile(directory, file, constants.O_WRONLY | constants.O_TRUNC);
    try {
      for (const line of value.split(/(?<=\n)/)) writeSync(descriptor, line);
    } finally {
      closeSync(descriptor);
    }
  }

  /** A file's name for messages. */
  nameOf(controller: string, file: string): string {
    return `${this.mountOf(controller).point}${this.path}/${file}`;
  }

  close(): void {
    for (const directory of this.opened.values()) directory?.close();
    this.opened.clear();
  }

  /** undefined where the container has no cgroup in that hierarchy, as on a hybrid host. */
  private directory(controller: string): CgroupDirectory | undefined {
    const mount = this.mountOf(controller);
    if (!this.opened.has(mount.point)) this.opened.set(mount.point, openCgroup(mount, this.path));
    return this.opened.get(mount.point);
  }

  private mountOf(controller: string): CgroupMount {
    const mount = this.mounts.v1.get(controller) ?? this.mounts.v2;
    if (mount !== undefined) return mount;
    throw new BridgeError("ADJUSTMENT", `no cgroup file system is mounted for the controller ${controller}`);
  }
}

function openFile(directory: CgroupDirectory, file: string, flags: number): number {
  if (file.includes("/")) throw new BridgeError("ADJUSTMENT", `${JSON.stringify(file)} is no name of a cgroup file`);
  return openSync(`${directory.path}/${file}`, flags | constants.O_NOFOLLOW);
}

/** What the system said, with the file's name instead of the path that we used. */
export function writeFault(name: string, value: string, thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : errorText(thrown);
  const hint = hints[code] ?? "";
  return `${name} cannot be set to ${JSON.stringify(value)}: ${code}${hint}`;
}

const hints: Readonly<Record<string, string>> = {
  EINVAL: " (the kernel does not take this value here)",
  EBUSY: " (the container already uses more)",
  EROFS: " (the cgroup file system is mounted read-only here)",
  EACCES: " (the bridge may not write it)",
  EPERM: " (the bridge may not write it)",
};
