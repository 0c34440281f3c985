import { accessSync, constants, lstatSync, readlinkSync, type Stats } from "node:fs";
import { dirname } from "node:path";

/** As many links as Linux follows in one path. */
const maxLinks = 40;

/**
 * Why a file that runs as root, or says what runs, is not to be trusted: somebody else than root and we can change it.
 * `null` when nobody can. Looks at the file and at every directory and link on the way to it.
 *
 * A directory that everybody can write counts as safe only with the sticky bit, and never as the file's own directory.
 *
 * @param below where the path's root is, as a node's in a container, without a slash at its end: links stay below it
 */
export function findPermissionFault(
  path: string,
  ownUid: number = process.geteuid?.() ?? 0,
  below = "",
): string | null {
  // A root such as /proc/1/root is a link that only the kernel can follow, and does with a name behind it.
  return walk(path, ownUid, below, (at) => lstatSync(at === "/" ? `${below}/.` : `${below}${at}`));
}

/**
 * findPermissionFault for files that are looked at shortly after one another, as those of one chain: each directory on the way to
 * them is looked at once. Who could change it in between could have done so before.
 */
export function createPermissionCheck(): (path: string) => string | null {
  const seen = new Map<string, Stats>();
  const look = (at: string) => {
    const stats = seen.get(at) ?? lstatSync(at);
    seen.set(at, stats);
    return stats;
  };
  return (path) => walk(path, process.geteuid?.() ?? 0, "", look);
}

/** Why a command must not be started in this moment; null when it may be. */
export function findStartFault(
  { guarded }: { readonly guarded: string | null },
  faultOf: (path: string) => string | null = (path) => findPermissionFault(path),
): string | null {
  return guarded === null ? null : faultOf(guarded);
}

function walk(path: string, ownUid: number, below: string, look: (at: string) => Stats): string | null {
  const pending = path.split("/").filter((name) => name !== "");
  let at = "/";
  const root = look(at);
  /** Of `at`, and of the directory that it is in, where the way came through them. */
  let own: Stats | undefined = root;
  let above: Stats | undefined;
  let links = 0;
  let fault = faultOf(at, root, ownUid);
  try {
    while (fault === null) {
      const name = pending.shift();
      if (name === undefined) return ownDirectoryFault(at, own ?? look(at), above ?? look(dirname(at)));
      if (name === ".") continue;
      if (name === "..") {
        at = dirname(at);
        own = undefined;
        continue;
      }
      const next = at === "/" ? `/${name}` : `${at}/${name}`;
      const found = look(next);
      if (!found.isSymbolicLink()) {
        above = own;
        own = found;
        at = next;
        fault = faultOf(at, found, ownUid);
        continue;
      }
      if (++links > maxLinks) return `${path}: too many symbolic links`;
      if (!isTrusted(found.uid, ownUid)) return `${next}: the link belongs to user ${found.uid}; ${remedy}`;
      const target = readlinkSync(`${below}${next}`);
      pending.unshift(...target.split("/").filter((part) => part !== ""));
      if (!target.startsWith("/")) continue;
      at = "/";
      own = root;
    }
    return fault;
  } catch (thrown) {
    return `${path}: its permissions cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}

/**
 * The same of the bridge's own configuration, which names where plugins are and what they get. A volume that is read-only here
 * is for its owner to guard: a ConfigMap's has mode 0777, in a directory that root alone may enter.
 */
export function findConfigPermissionFault(path: string): string | null {
  if (path === "/dev/null") return null; // Whatever is written to it, nothing is read from it.
  const fault = findPermissionFault(path);
  return fault === null || isReadOnly(path) ? null : fault;
}

function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EROFS";
  }
}

const remedy = "let root own it and nobody else write it, or set permissions: trust";

function faultOf(path: string, stats: Stats, ownUid: number): string | null {
  if (!isTrusted(stats.uid, ownUid)) return `${path}: it belongs to user ${stats.uid}; ${remedy}`;
  const sticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
  return sticky ? null : writableFault(path, stats);
}

function ownDirectoryFault(path: string, stats: Stats, above: Stats): string | null {
  return stats.isDirectory() ? null : writableFault(dirname(path), above);
}

function writableFault(path: string, stats: Stats): string | null {
  if ((stats.mode & 0o022) === 0) return null;
  const who = (stats.mode & 0o002) !== 0 ? "everybody" : `group ${stats.gid}`;
  return `${path}: mode ${(stats.mode & 0o7777).toString(8).padStart(4, "0")} lets ${who} write it; ${remedy}`;
}

function isTrusted(uid: number, ownUid: number): boolean {
  return uid === 0 || uid === ownUid;
}
