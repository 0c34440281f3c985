import { accessSync, constants, lstatSync, readlinkSync, type Stats, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { monotonicClock } from "./deadline.js";
import { attempt, errnoOf, errorText } from "./errors.js";

const maxLinks = 40;
/** The type that statfs(2) gives for procfs. */
const procfsType = 0x9fa0;

export interface WalkOptions {
  /** The user who may change files besides root. */
  readonly ownUid?: number;
  /** Where the paths' root is, as a node's in a container, without a slash at its end: links stay below it. */
  readonly below?: string;
  /**
   * Accepts a directory that others can write where it is a Kubernetes ConfigMap mounted read-only: the kubelet makes it with mode 0777
   * in a directory that only root enters, and writes through `..data` alone.
   */
  readonly configMaps?: boolean;
  readonly remedy?: string;
}

export interface Way {
  /** The fault where others than root and we can change it, with the remedy; null when none can. */
  readonly fault: string | null;
  /** Its end, links resolved; below that which is not there, the directory that is. */
  readonly at: string;
  /** Of the file at its end; undefined when there is none, or it was not looked at. */
  readonly stats?: Stats | undefined;
  /** The system's error where there is none. */
  readonly missing?: unknown;
}

/**
 * Looks at who can change files: at each of them, and at every directory and link on the way. One walk is for one chain of plugins,
 * and looks at each once. A directory that any user can write is safe only with the sticky bit, and never as the file's own
 * directory, or as the one of a missing file.
 */
export class PermissionWalk {
  private readonly seen = new Map<string, Stats>();
  private readonly missing = new Set<string>();
  private readonly ways = new Map<string, Way>();
  /** By the number of a file system's device. */
  private readonly procfs = new Map<number, boolean>();
  private readonly options: Required<WalkOptions>;

  constructor(options: WalkOptions = {}) {
    const remedy = "root must own it, and no other user may have write permission; or set permissions: trust";
    this.options = { ownUid: process.geteuid?.() ?? 0, below: "", configMaps: false, remedy, ...options };
  }

  /** Why a file cannot be trusted; null when only root and our own user can change it. */
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
    const way = this.ways.get(path) ?? this.follow(path);
    this.ways.set(path, way);
    return way;
  }

  /** Where a path that has no links is found from here. */
  here(path: string): string {
    // A root such as /proc/1/root is a link that only the kernel can follow, and does with a name behind it.
    return `${this.options.below}${path === "/" ? "/." : path}`;
  }

  /** Whether all that it looked at is as it was: then it would find the same again. */
  get holds(): boolean {
    const now = (at: string) => lstatSync(this.here(at), { throwIfNoEntry: false });
    const isHere = ([at, before]: [string, Stats]) => isSame(before, now(at));
    return attempt(() => [...this.seen].every(isHere) && ![...this.missing].some(now)) ?? false;
  }

  /** Whether no file was written so shortly before that another write would leave its times as they are. */
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

  /** @throws the system's error where it is another one than that there is no such file */
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

  /** Paths below it are another process's view: a path there is judged by directories that are not the file's. */
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

/** New files in a directory that only root can write do not matter; a file that is executed from it has a stamp of its own. */
function isSame(a: Stats, b: Stats | undefined): boolean {
  if (b === undefined) return false;
  const inode = a.dev === b.dev && a.ino === b.ino && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
  return inode && (a.isDirectory() || (a.size === b.size && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs));
}

/** A file system's clock may stand still for as long. */
const settledMs = 20;
/** Changes that a walk does not see, such as a mount that is made read-only, count after this time. */
const believedMs = 10_000;

/** Walks that found no fault, each believed for a while, as long as all that it looked at is as it was. */
export class PassedWalks {
  private readonly passed = new Map<string, { readonly walk: PermissionWalk; readonly until: number }>();

  constructor(
    private readonly options: WalkOptions = {},
    private readonly clock = monotonicClock,
  ) {}

  /** The result of `look`, which depends on nothing but the walk and the key. */
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

/** Why a file is not to be trusted: users besides root and us can change it. `null` when none can. */
export function findPermissionFault(path: string, options: WalkOptions = {}): string | null {
  return new PermissionWalk(options).faultOf(path);
}

/** The same of conf.json and the bridge's own configuration, which name what runs and what it gets. */
export function findConfigPermissionFault(path: string, options: WalkOptions = {}): string | null {
  return createConfigCheck(options)(path);
}

/** findConfigPermissionFault for one event after the other. */
export function createConfigCheck(options: WalkOptions = {}): (path: string) => string | null {
  const walks = new PassedWalks({ ...options, configMaps: true });
  // Whatever is written to the null device, nothing is read from it.
  return (path) => (path === "/dev/null" ? null : walks.faultOf(path, (walk) => walk.faultOf(path)));
}

function unreadable(path: string, error: unknown): string {
  return `${path}: its permissions cannot be read: ${errorText(error)}`;
}
