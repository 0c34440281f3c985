import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { BridgeError, errnoOf, errorText } from "../base/errors.js";
import { closing } from "../base/files.js";
import { type Mount, parseMountinfo } from "../host/proc.js";

const maxBytes = 64 * 1024;

export type CgroupWrite = Readonly<Record<"controller" | "file" | "value", string>>;

type Opened = Readonly<{ path: string; directory: number }>;

/**
 * A container's real cgroup. For each controller that the bridge asks for, opens the cgroup's directory in the controller's v1
 * hierarchy if one is mounted, else in the v2 hierarchy.
 */
export class ContainerCgroup {
  /** The paths that the cgroup may have below a mount, the likeliest first. */
  readonly paths: readonly string[];
  /** Keyed by mount point; undefined if the hierarchy does not have this cgroup, as can be on a hybrid host. */
  private readonly opened = new Map<string, Opened | undefined>();

  /**
   * @param procCgroup the text of /proc/<pid>/cgroup of the container's process
   * @throws BridgeError ADJUSTMENT when cgroupsPath names no cgroup
   */
  constructor(
    private readonly mounts: CgroupMounts,
    cgroupsPath: string,
    procCgroup = "",
  ) {
    this.paths = [...new Set([resolveCgroupsPath(cgroupsPath), ...literalPaths(cgroupsPath, procCgroup)])];
  }

  /** The cgroup version of a controller's hierarchy; undefined if no cgroup file system is mounted for the controller. */
  versionOf(controller: string): 1 | 2 | undefined {
    return this.mountOf(controller)?.version;
  }

  /** The text of a file without its last newline, "" for a write-only file; undefined if the file or the cgroup does not exist. */
  read(controller: string, file: string): string | undefined {
    const directory = this.open(controller)?.directory;
    if (directory === undefined) return undefined;
    try {
      return closing(openFile(directory, file, constants.O_RDONLY), (descriptor) => {
        const buffer = Buffer.allocUnsafe(maxBytes);
        return buffer.toString("latin1", 0, readSync(descriptor, buffer, 0, maxBytes, 0)).replace(/\n$/, "");
      });
    } catch (thrown) {
      const code = errnoOf(thrown);
      if (code === "ENOENT") return undefined;
      if (code === "EINVAL") return "";
      throw thrown;
    }
  }

  /**
   * Writes a value to a file, each line of the value in a write of its own. Returns null, or why the write failed. compat:
   * opencontainers/cgroups WriteFileByLine. A file with a line for each device takes one line in a write.
   */
  write({ controller, file, value }: CgroupWrite): string | null {
    const directory = this.open(controller)?.directory ?? -1;
    try {
      closing(openFile(directory, file, constants.O_WRONLY | constants.O_TRUNC), (descriptor) => {
        for (const line of value.split(/(?<=\n)/)) writeSync(descriptor, line);
      });
      return null;
    } catch (thrown) {
      const code = errnoOf(thrown) || errorText(thrown);
      return `${this.nameOf(controller, file)} cannot be set to ${JSON.stringify(value)}: ${code}${hints[code] ?? ""}`;
    }
  }

  nameOf(controller: string, file: string): string {
    return `${this.mountOf(controller)?.point}${this.open(controller)?.path ?? this.paths[0]}/${file}`;
  }

  close(): void {
    for (const found of this.opened.values()) if (found !== undefined) closeSync(found.directory);
    this.opened.clear();
  }

  /** @throws BridgeError ADJUSTMENT when the cgroup's directory exists and cannot be opened, or is outside the mount */
  private open(controller: string): Opened | undefined {
    const mount = this.mountOf(controller);
    if (mount === undefined || this.opened.has(mount.point)) return this.opened.get(mount?.point ?? "");
    let found: Opened | undefined;
    for (const path of this.paths) found ??= openCgroup(mount, path);
    this.opened.set(mount.point, found);
    return found;
  }

  private mountOf(controller: string): CgroupMount | undefined {
    return this.mounts.v1.get(controller) ?? this.mounts.v2;
  }
}

function openFile(directory: number, file: string, flags: number): number {
  if (file.includes("/")) throw new BridgeError("ADJUSTMENT", `${JSON.stringify(file)} is not a cgroup file name`);
  return openSync(`/proc/self/fd/${directory}/${file}`, flags | constants.O_NOFOLLOW);
}

const hints: Readonly<Record<string, string>> = {
  EINVAL: " (the kernel does not take this value here)",
  EBUSY: " (the container already uses more)",
  EROFS: " (the cgroup file system is mounted read-only here)",
  EACCES: " (the bridge may not write it)",
};

/**
 * A mounted cgroup file system. `root`: the directory of the file system that is mounted at `point`: `/`, or another directory if
 * the bridge runs in a container.
 */
export interface CgroupMount extends Pick<Mount, "point" | "root"> {
  readonly version: 1 | 2;
}

/** The machine's cgroup mounts, those of v1 keyed by controller. On a hybrid host some controllers are on v1, the rest on v2. */
export interface CgroupMounts {
  readonly v1: ReadonlyMap<string, CgroupMount>;
  readonly v2: CgroupMount | undefined;
}

/** Finds the cgroup mounts in the text of /proc/self/mountinfo; of several mounts for one controller the first counts. */
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

/**
 * Opens a cgroup's directory, name by name and never through a symbolic link; undefined if the directory does not exist.
 * @throws BridgeError ADJUSTMENT when the path is not below the mount's root, or the directory cannot be opened
 */
function openCgroup({ root, point }: CgroupMount, path: string): Opened | undefined {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  let descriptor: number | undefined;
  try {
    if (root !== "/" && !path.startsWith(`${root}/`))
      throw new Error(`the cgroup is not below ${root}, the only part that is mounted`);
    descriptor = openSync(point, flags);
    const inside = root === "/" ? path : path.slice(root.length);
    for (const part of inside.split("/").slice(1)) {
      const next = openSync(`/proc/self/fd/${descriptor}/${part}`, flags | constants.O_NOFOLLOW);
      closeSync(descriptor);
      descriptor = next;
    }
    return { path, directory: descriptor };
  } catch (thrown) {
    if (descriptor !== undefined) closeSync(descriptor);
    if (errnoOf(thrown) === "ENOENT") return undefined;
    const text = `the cgroup ${path} cannot be opened below ${point}: ${errorText(thrown)}`;
    throw new BridgeError("ADJUSTMENT", text, { cgroup: path });
  }
}

/**
 * The directory that a cgroupsPath means, as a path below a cgroup mount, with a leading slash. compat: `slice:prefix:name` is
 * systemd's unit `prefix-name.scope`, or `name` if `name` is a slice (runc libcontainer/specconv).
 * @throws BridgeError ADJUSTMENT when the path names no cgroup, or leads outside the mount
 */
export function resolveCgroupsPath(cgroupsPath: string): string {
  const parts = cgroupsPath.startsWith("/") ? [] : cgroupsPath.split(":");
  const [slice, prefix, name = ""] = parts;
  if (parts.length !== 3) return checkPath(cgroupsPath, `/${cgroupsPath}`);
  const unit = name.endsWith(".slice") ? name : `${prefix}-${name}.scope`;
  if (name === "" || unit.includes("/")) throw badPath(cgroupsPath, "the unit name is empty or holds a slash");
  return checkPath(cgroupsPath, `${expandSlice(cgroupsPath, slice || "system.slice")}/${unit}`);
}

/**
 * Further directories that a cgroupsPath without a leading slash may mean. compat: runc's cgroupfs driver takes `slice:prefix:name`
 * literally, and puts a path without a leading slash below runc's own cgroup (opencontainers/cgroups fs/paths.go).
 */
function literalPaths(cgroupsPath: string, procCgroup: string): string[] {
  if (cgroupsPath.startsWith("/")) return [];
  const literal = checkPath(cgroupsPath, `/${cgroupsPath}`);
  const own = procCgroup.split("\n").map((line) => line.split(":").slice(2).join(":"));
  return [literal, ...own.filter((path) => path.endsWith(literal))];
}

/** The directory of a systemd slice. systemd.slice(5): `a-b.slice` lies in `a.slice`, and `-.slice` is the root. */
function expandSlice(cgroupsPath: string, slice: string): string {
  if (slice === "-.slice") return "";
  const names = slice.endsWith(".slice") && !slice.includes("/") ? slice.slice(0, -".slice".length).split("-") : [""];
  if (names.includes("")) throw badPath(cgroupsPath, `${JSON.stringify(slice)} is not a slice name`);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("-")}.slice`).join("");
}

function checkPath(cgroupsPath: string, path: string): string {
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (names.length === 0 || names.includes("..") || /[\0\n]/.test(path))
    throw badPath(
      cgroupsPath,
      "the path names no cgroup, leads out of the hierarchy with .. or holds a NUL or a line break",
    );
  return `/${names.join("/")}`;
}

function badPath(cgroupsPath: string, why: string): BridgeError {
  const text = `cgroupsPath ${JSON.stringify(cgroupsPath)} cannot be used: ${why}`;
  return new BridgeError("ADJUSTMENT", text, { cgroupsPath });
}
