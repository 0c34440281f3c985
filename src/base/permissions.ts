import { accessSync, constants, lstatSync, readlinkSync, type Stats, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, errorText } from "./errors.js";

/** As many links as Linux follows in one path. */
const maxLinks = 40;
/** The type that statfs(2) gives for procfs. */
const procfsType = 0x9fa0;

export interface WalkOptions {
  /** Who may change files besides root. */
  readonly ownUid?: number;
  /** Where the paths' root is, as a node's in a container, without a slash at its end: links stay below it. */
  readonly below?: string;
  /**
   * A directory that others can write is good where it is the volume of a Kubernetes ConfigMap, mounted read-only: the kubelet
   * makes it with mode 0777, in a directory that root alone may enter, and writes through `..data` alone.
   */
  readonly configMaps?: boolean;
  /** What to do about a file that others can change. */
  readonly remedy?: string;
}

/** Where a path leads. */
export interface Way {
  /** Who besides root and us can change it, and what to do; null when none can. */
  readonly fault: string | null;
  /** Its end, links resolved; below that which is not there, the directory that is. */
  readonly at: string;
  /** Of the file at its end; undefined when there is none, or it was not looked at. */
  readonly stats?: Stats | undefined;
  /** The system's error where there is none. */
  readonly missing?: unknown;
}

/**
 * Looks at who can change files: at each of them, and at every directory and link on the way to it. A walk is for files that are
 * looked at shortly after one another, as those of one chain of plugins: each is looked at once. Who could change it in between
 * could have done so before.
 *
 * A directory that everybody can write counts as safe only with the sticky bit, and never as the file's own directory, or as the
 * one that a missing file would be in.
 */
export class PermissionWalk {
  private readonly seen = new Map<string, Stats>();
  private readonly ways = new Map<string, Way>();
  /** By the number of a file system's device. */
  private readonly procfs = new Map<number, boolean>();
  private readonly ownUid: number;
  private readonly below: string;
  private readonly configMaps: boolean;
  private readonly remedy: string;

  constructor(options: WalkOptions = {}) {
    this.ownUid = options.ownUid ?? process.geteuid?.() ?? 0;
    this.below = options.below ?? "";
    this.configMaps = options.configMaps ?? false;
    this.remedy =
      options.remedy ?? "root must own it, and nobody else may have write permission; or set permissions: trust";
  }

  /** Says why a file cannot be trusted; null when only root and our own user can change it. */
  faultOf(path: string): string | null {
    const { fault, missing } = this.wayTo(path);
    return fault ?? (missing === undefined ? null : unreadable(path, missing));
  }

  /** Why files may appear in a directory that others put there; null as well where it is not there and cannot be made. */
  directoryFault(path: string): string | null {
    const { fault, at, stats } = this.wayTo(path);
    return fault ?? (stats?.isDirectory() ? this.writableFault(at, stats) : null);
  }

  wayTo(path: string): Way {
    let way = this.ways.get(path);
    if (way === undefined) {
      try {
        way = this.follow(path);
      } catch (thrown) {
        way = { fault: unreadable(path, thrown), at: path };
      }
      this.ways.set(path, way);
    }
    return way;
  }

  /** Where a path that has no links is found from here. */
  here(path: string): string {
    // A root such as /proc/1/root is a link that only the kernel can follow, and does with a name behind it.
    return path === "/" ? `${this.below}/.` : `${this.below}${path}`;
  }

  /** @throws the system's error where it is another one than that there is no such file */
  private follow(path: string): Way {
    const pending = path.split("/").filter((name) => name !== "");
    const root = this.look("/");
    let at = "/";
    /** Of `at`, and of the directory that it is in, where the way came through them. */
    let own: Stats | undefined = root;
    let above: Stats | undefined;
    let links = 0;
    let fault = this.pathFault(at, root);
    while (fault === null) {
      const name = pending.shift();
      if (name === undefined) {
        const stats: Stats = own ?? this.look(at);
        return { at, stats, fault: this.ownDirectoryFault(at, stats, above) };
      }
      if (name === ".") continue;
      if (name === "..") {
        at = dirname(at);
        own = undefined;
        continue;
      }
      const next = at === "/" ? `/${name}` : `${at}/${name}`;
      let found: Stats;
      try {
        found = this.look(next);
      } catch (missing) {
        if (errnoOf(missing) !== "ENOENT" && errnoOf(missing) !== "ENOTDIR") throw missing;
        return { at, missing, fault: this.writableFault(at, own ?? this.look(at)) };
      }
      if (!found.isSymbolicLink()) {
        if (found.dev !== own?.dev && this.isProcfs(next, found)) {
          return {
            at,
            fault: `${next}: a proc file system shows other processes' files; name ${path} by its own path`,
          };
        }
        above = own;
        own = found;
        at = next;
        fault = this.pathFault(at, found);
        continue;
      }
      if (++links > maxLinks) return { at, fault: `${path}: too many symbolic links` };
      if (!this.isTrusted(found))
        return { at, fault: `${next}: the link belongs to user ${found.uid}; ${this.remedy}` };
      const target = readlinkSync(this.here(next));
      pending.unshift(...target.split("/").filter((part) => part !== ""));
      if (!target.startsWith("/")) continue;
      at = "/";
      own = root;
    }
    return { at, fault };
  }

  private look(at: string): Stats {
    const stats = this.seen.get(at) ?? lstatSync(this.here(at));
    this.seen.set(at, stats);
    return stats;
  }

  /** What is below it is another process's view: a path there is judged by directories that are not the file's. */
  private isProcfs(at: string, { dev }: Stats): boolean {
    const known = this.procfs.get(dev) ?? statfsSync(this.here(at)).type === procfsType;
    this.procfs.set(dev, known);
    return known;
  }

  private pathFault(path: string, stats: Stats): string | null {
    if (!this.isTrusted(stats)) return `${path}: it belongs to user ${stats.uid}; ${this.remedy}`;
    const sticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
    return sticky ? null : this.writableFault(path, stats);
  }

  private ownDirectoryFault(path: string, stats: Stats, above: Stats | undefined): string | null {
    if (stats.isDirectory()) return null;
    const directory = dirname(path);
    return this.writableFault(directory, above ?? this.look(directory));
  }

  private writableFault(path: string, stats: Stats): string | null {
    if ((stats.mode & 0o022) === 0) return null;
    if (this.configMaps && stats.isDirectory() && this.isConfigMap(path)) return null;
    const who = (stats.mode & 0o002) !== 0 ? "everybody" : `group ${stats.gid}`;
    return `${path}: mode ${(stats.mode & 0o7777).toString(8).padStart(4, "0")} lets ${who} write it; ${this.remedy}`;
  }

  private isConfigMap(directory: string): boolean {
    try {
      if (!this.look(`${directory}/..data`).isSymbolicLink()) return false;
      accessSync(this.here(directory), constants.W_OK);
      return false;
    } catch (thrown) {
      return errnoOf(thrown) === "EROFS";
    }
  }

  private isTrusted({ uid }: Stats): boolean {
    return uid === 0 || uid === this.ownUid;
  }
}

/** Why a file is not to be trusted: users besides root and us can change it. `null` when none can. */
export function findPermissionFault(path: string, options: WalkOptions = {}): string | null {
  return new PermissionWalk(options).faultOf(path);
}

/** The same of conf.json and the bridge's own configuration, which name what runs and what it gets. */
export function findConfigPermissionFault(path: string, options: WalkOptions = {}): string | null {
  if (path === "/dev/null") return null; // Whatever is written to it, nothing is read from it.
  return findPermissionFault(path, { ...options, configMaps: true });
}

function unreadable(path: string, error: unknown): string {
  return `${path}: its permissions cannot be read: ${errorText(error)}`;
}
