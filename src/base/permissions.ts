import { accessSync, constants, lstatSync, readlinkSync, type Stats, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { monotonicClock } from "./deadline.js";
import { attempt, errnoOf, errorText } from "./errors.js";

const maxLinks = 40;
/** The file system type that statfs(2) returns for procfs. */
const procfsType = 0x9fa0;

export interface WalkOptions {
  /** The one user besides root whose right to change files is accepted; by default the bridge's own user. */
  readonly ownUid?: number;
  /**
   * The directory that stands for `/` in the paths, such as the node's root mounted into the bridge's container; without a slash at
   * its end. Absolute link targets are resolved below this directory.
   */
  readonly below?: string;
  /**
   * Accepts a directory that other users can write, if the directory is a Kubernetes ConfigMap mounted read-only. The kubelet gives
   * such a directory mode 0777, inside a directory that only root can enter, and changes the directory's files only by replacing
   * the link `..data`.
   */
  readonly configMaps?: boolean;
  readonly remedy?: string;
}

/** What a walk found on the way to one path. */
export interface Way {
  /** Why users besides root and the bridge's own user can change the path, with the remedy; null when they cannot. */
  readonly fault: string | null;
  /** The path with all links resolved; for a missing file, the deepest directory on the way that exists. */
  readonly at: string;
  /** The stats of the file at the path; undefined when the file is missing, or the walk stopped at a fault before it. */
  readonly stats?: Stats | undefined;
  /** The system's error (ENOENT, ENOTDIR) when the file is missing; undefined otherwise. */
  readonly missing?: unknown;
}

/**
 * Finds out which users can change files: by the permissions of each file and of every directory and link on the way to it. One
 * walk serves one chain of plugins, and stats each path once. A directory that any user can write is safe only with the sticky bit,
 * and never as the directory that holds the file or that a missing file would be created in.
 */
export class PermissionWalk {
  private readonly seen = new Map<string, Stats>();
  private readonly missing = new Set<string>();
  private readonly ways = new Map<string, Way>();
  /** Whether a file system is procfs, by its device number. */
  private readonly procfs = new Map<number, boolean>();
  private readonly options: Required<WalkOptions>;

  constructor(options: WalkOptions = {}) {
    const remedy = "root must own it, and no other user may have write permission; or set permissions: trust";
    this.options = { ownUid: process.geteuid?.() ?? 0, below: "", configMaps: false, remedy, ...options };
  }

  /** Why a file cannot be trusted, also when it is missing; null when only root and `ownUid` can change the file. */
  faultOf(path: string): string | null {
    const { fault, missing } = this.wayTo(path);
    return fault ?? (missing === undefined ? null : unreadable(path, missing));
  }

  /**
   * Why users besides root and `ownUid` can put files into a directory; null when they cannot, also for a missing directory that
   * they cannot create.
   */
  directoryFault(path: string): string | null {
    const { fault, at, stats } = this.wayTo(path);
    return fault ?? (stats?.isDirectory() ? this.writableFault(at, stats) : null);
  }

  wayTo(path: string): Way {
    const way = this.ways.get(path) ?? this.follow(path);
    this.ways.set(path, way);
    return way;
  }

  /** The path under which this process opens a path without links: `below` followed by the path. */
  here(path: string): string {
    // A root such as /proc/1/root is a link that only the kernel can follow; lstat follows it if a name comes after it.
    return `${this.options.below}${path === "/" ? "/." : path}`;
  }

  /** Whether every path that the walk looked at is unchanged, so that a new walk would give the same result. */
  get holds(): boolean {
    const now = (at: string) => lstatSync(this.here(at), { throwIfNoEntry: false });
    const isHere = ([at, before]: [string, Stats]) => isSame(before, now(at));
    return attempt(() => [...this.seen].every(isHere) && ![...this.missing].some(now)) ?? false;
  }

  /**
   * Whether the last write to every file is longer ago than the resolution of file times. A file written a moment ago could be
   * written again without a change of its times.
   */
  get isSettled(): boolean {
    const latest = Date.now() - settledMs;
    return [...this.seen.values()].every((stats) => stats.isDirectory() || stats.ctimeMs < latest);
  }

  private follow(path: string): Way {
    try {
      return this.walk(path);
    } catch (error) {
      return { fault: unreadable(path, error), at: path };
    }
  }

  /** @throws the system's error of lstat, readlink or statfs, except ENOENT and ENOTDIR, which make `missing` */
  private walk(path: string): Way {
    const pending = path.split("/").filter((name) => name !== "");
    let at = "/";
    let links = 0;
    let fault = this.pathFault(at, this.look(at));
    while (fault === null) {
      const name = pending.shift();
      const here: Stats = this.look(at);
      if (name === undefined) return { at, stats: here, fault: this.ownDirectoryFault(at, here) };
      if (name === ".") continue;
      if (name === "..") {
        at = dirname(at);
        continue;
      }
      const next = at === "/" ? `/${name}` : `${at}/${name}`;
      let found: Stats;
      try {
        found = this.look(next);
      } catch (missing) {
        if (errnoOf(missing) !== "ENOENT" && errnoOf(missing) !== "ENOTDIR") throw missing;
        this.missing.add(next);
        return { at, missing, fault: this.writableFault(at, here) };
      }
      if (!found.isSymbolicLink()) {
        if (found.dev !== here.dev && this.isProcfs(next, found)) {
          const text = `${next}: a proc file system shows other processes' files; name ${path} by its own path`;
          return { at, fault: text };
        }
        at = next;
        fault = this.pathFault(at, found);
        continue;
      }
      if (++links > maxLinks) return { at, fault: `${path}: too many symbolic links` };
      if (!this.isTrusted(found))
        return { at, fault: `${next}: the link belongs to user ${found.uid}; ${this.options.remedy}` };
      const target = readlinkSync(this.here(next));
      pending.unshift(...target.split("/").filter((part) => part !== ""));
      if (target.startsWith("/")) at = "/";
    }
    return { at, fault };
  }

  private look(at: string): Stats {
    const stats = this.seen.get(at) ?? lstatSync(this.here(at));
    this.seen.set(at, stats);
    return stats;
  }

  /**
   * Whether a path is on procfs. Links of procfs such as /proc/<pid>/root lead to the files of another process, past the
   * directories that the walk has to judge.
   */
  private isProcfs(at: string, { dev }: Stats): boolean {
    const known = this.procfs.get(dev) ?? statfsSync(this.here(at)).type === procfsType;
    this.procfs.set(dev, known);
    return known;
  }

  private pathFault(path: string, stats: Stats): string | null {
    if (!this.isTrusted(stats)) return `${path}: it belongs to user ${stats.uid}; ${this.options.remedy}`;
    const sticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
    return sticky ? null : this.writableFault(path, stats);
  }

  private ownDirectoryFault(path: string, stats: Stats): string | null {
    const directory = dirname(path);
    return stats.isDirectory() ? null : this.writableFault(directory, this.look(directory));
  }

  private writableFault(path: string, stats: Stats): string | null {
    if ((stats.mode & 0o022) === 0) return null;
    if (this.options.configMaps && stats.isDirectory() && this.isConfigMap(path)) return null;
    const who = (stats.mode & 0o002) !== 0 ? "any user" : `group ${stats.gid}`;
    return `${path}: mode ${(stats.mode & 0o7777).toString(8).padStart(4, "0")} lets ${who} write it; ${this.options.remedy}`;
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
    return uid === 0 || uid === this.options.ownUid;
  }
}

/**
 * Whether a file is unchanged. The times of a directory are not compared: only trusted users can add files to a directory that
 * passed the walk, and every file that the walk looked at is compared by itself.
 */
function isSame(a: Stats, b: Stats | undefined): boolean {
  if (b === undefined) return false;
  const inode = a.dev === b.dev && a.ino === b.ino && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
  return inode && (a.isDirectory() || (a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs));
}

/** Milliseconds. Two writes within this time may leave a file with the same times, as its file system's clock is coarse. */
const settledMs = 20;
/**
 * Milliseconds that PassedWalks reuses a walk's result. After this time the bridge also notices changes that `holds` cannot see,
 * such as a remount.
 */
const believedMs = 10_000;

/** Reuses a walk that found no fault for `believedMs`, as long as every path that the walk looked at is unchanged. */
export class PassedWalks {
  private readonly passed = new Map<string, { readonly walk: PermissionWalk; readonly until: number }>();

  constructor(
    private readonly options: WalkOptions = {},
    private readonly clock = monotonicClock,
  ) {}

  /**
   * The result of `look`, which may depend only on the walk and the key; null without a call of `look` while an earlier walk is
   * reused.
   */
  faultOf(key: string, look: (walk: PermissionWalk) => string | null): string | null {
    const before = this.passed.get(key);
    if (before !== undefined && this.clock() < before.until && before.walk.holds) return null;
    this.passed.delete(key);
    const walk = new PermissionWalk(this.options);
    const fault = look(walk);
    if (fault === null && walk.isSettled) this.passed.set(key, { walk, until: this.clock() + believedMs });
    return fault;
  }
}

/** Why a file cannot be trusted: users besides root and the bridge's own user can change it. Null when they cannot. */
export function findPermissionFault(path: string, options: WalkOptions = {}): string | null {
  return new PermissionWalk(options).faultOf(path);
}

/**
 * Why conf.json or the bridge's configuration cannot be trusted; null when it can. The two files decide which programs the bridge
 * runs, and with which input.
 */
export function findConfigPermissionFault(path: string, options: WalkOptions = {}): string | null {
  return createConfigCheck(options)(path);
}

/** A findConfigPermissionFault for many events: it reuses the results of earlier walks (PassedWalks). */
export function createConfigCheck(options: WalkOptions = {}): (path: string) => string | null {
  const walks = new PassedWalks({ ...options, configMaps: true });
  // Any user can write to the null device, but a read from it gives nothing.
  return (path) => (path === "/dev/null" ? null : walks.faultOf(path, (walk) => walk.faultOf(path)));
}

function unreadable(path: string, error: unknown): string {
  return `${path}: the bridge cannot read its permissions: ${errorText(error)}`;
}
