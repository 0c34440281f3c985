import { accessSync, closeSync, constants, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { attempt, errnoOf } from "../base/errors.js";
import { fileIdentity, openRegularFile, readRegularFile } from "../base/files.js";
import { readLink } from "./proc.js";

const maxLinks = 40; // Linux follows at most this many links in one path.
const maxBytes = 256 * 1024 * 1024; // Files of plugins are read as a whole, and are smaller than this.

/**
 * Reads the files of a node whose root directory is `root`: `/`, or the directory where the node's root is mounted. An absolute
 * link target is resolved below `root`.
 */
export class NodeFiles {
  constructor(readonly root: string) {}

  /** The prefix that turns a path of the node into a path of this process; "" when the root is `/`. */
  get below(): string {
    return this.root === "/" ? "" : this.root;
  }

  /** The path under which this process finds a file of the node, with links resolved. The file may be missing. */
  locate(path: string): string {
    if (this.root === "/") return path;
    const pending = path.split("/");
    let at: string[] = [];
    let links = 0;
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === "" || name === ".") continue;
      const target = name !== ".." && links < maxLinks ? readLink(join(this.root, ...at, name)) : undefined;
      if (name === "..") at.pop();
      else if (target === undefined) at.push(name);
      else {
        links += 1;
        pending.unshift(...target.split("/"));
        if (target.startsWith("/")) at = [];
      }
    }
    return join(this.root, ...at);
  }

  /** Replaces the paths below `root` in a text, such as an error message, by the node's paths. */
  rename(text: string): string {
    return text.replaceAll(`${this.below}/`, "/");
  }

  readBytes(path: string): Buffer | undefined {
    return attempt(() => readRegularFile(this.locate(path), maxBytes));
  }

  readText(path: string): string | undefined {
    return this.readBytes(path)?.toString("utf8");
  }

  /** The errno name of why a file cannot be read, such as ENOENT, EACCES or EISDIR; undefined when the file can be read. */
  refusal(path: string): string | undefined {
    try {
      const { descriptor, stats } = openRegularFile(this.locate(path));
      closeSync(descriptor);
      return stats.isDirectory() ? "EISDIR" : undefined;
    } catch (error) {
      return errnoOf(error) || "EIO";
    }
  }

  /** Whether the path exists, or may exist, as when it cannot be read. */
  mayExist(path: string): boolean {
    return !["ENOENT", "ENOTDIR"].includes(this.refusal(path) ?? "");
  }

  stat(path: string): Stats | undefined {
    return attempt(() => statSync(this.locate(path)));
  }

  /** The device and inode of a file; undefined when the file is missing, or stat(2) fails. */
  identity(path: string): string | undefined {
    return fileIdentity(this.locate(path));
  }

  /**
   * The device and inode of a file, with every link followed by the kernel. Links in /proc, such as /proc/<pid>/root, lead to a
   * file even if their text is not its path.
   */
  identityByKernel(path: string): string | undefined {
    return fileIdentity(join(this.root, path));
  }

  /** Whether a process has the node's root directory as its root; undefined when only root may read that of the process. */
  sharesRoot(pid: number): boolean | undefined {
    const root = this.identityByKernel(`/proc/${pid}/root`);
    return root === undefined && process.geteuid?.() !== 0 ? undefined : root === this.identity("/");
  }

  isWritable(path: string): boolean {
    return attempt(() => accessSync(this.locate(path), constants.W_OK) ?? true) ?? false;
  }

  /** The names in a directory, sorted; empty when the directory is missing or cannot be read. */
  list(path: string): string[] {
    return attempt(() => readdirSync(this.locate(path)).sort()) ?? [];
  }

  /** The files below a directory, in the order of Go's filepath.Walk: sorted by name, without entering links to directories. */
  walk(directory: string): string[] {
    return this.list(directory).flatMap((name) => {
      const path = join(directory, name);
      return this.link(path) === undefined && this.stat(path)?.isDirectory() === true ? this.walk(path) : [path];
    });
  }

  /** The target that a link has as its text; undefined when the path is no link, or cannot be read. */
  link(path: string): string | undefined {
    return readLink(join(this.root, path));
  }

  /** Whether the path is a regular file with an execute permission for anyone, so that root can execute it. */
  isExecutable(path: string): boolean {
    const stats = this.stat(path);
    return stats?.isFile() === true && (stats.mode & 0o111) !== 0;
  }
}
