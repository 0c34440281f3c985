import { accessSync, closeSync, constants, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { attempt, errnoOf } from "../base/errors.js";
import { fileIdentity, openRegularFile, readRegularFile } from "../base/files.js";
import { readLink } from "./proc.js";

const maxLinks = 40; // As Linux follows in one path.
const maxBytes = 256 * 1024 * 1024; // Plugins are read whole, and none is so large.

/** A node's files below a root, `/` or another one: the absolute target of a link stays below it. */
export class NodeFiles {
  constructor(readonly root: string) {}

  /** The root as what stands before a path. */
  get below(): string {
    return this.root === "/" ? "" : this.root;
  }

  /** Where a node's path is found from here. A missing file has the path that it would have. */
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

  /** The node's names in a text that holds paths of ours. */
  rename(text: string): string {
    return text.replaceAll(`${this.below}/`, "/");
  }

  readBytes(path: string): Buffer | undefined {
    return attempt(() => readRegularFile(this.locate(path), maxBytes));
  }

  readText(path: string): string | undefined {
    return this.readBytes(path)?.toString("utf8");
  }

  /** Why a file cannot be read, as errno's name: ENOENT, EACCES, EISDIR; undefined when it can. */
  refusal(path: string): string | undefined {
    try {
      const { descriptor, stats } = openRegularFile(this.locate(path));
      closeSync(descriptor);
      return stats.isDirectory() ? "EISDIR" : undefined;
    } catch (error) {
      return errnoOf(error) || "EIO";
    }
  }

  /** There is something of this name, or it cannot be told that there is not. */
  mayExist(path: string): boolean {
    return !["ENOENT", "ENOTDIR"].includes(this.refusal(path) ?? "");
  }

  stat(path: string): Stats | undefined {
    return attempt(() => statSync(this.locate(path)));
  }

  /** Device and inode; undefined when there is no such file, or it cannot be seen. */
  identity(path: string): string | undefined {
    return fileIdentity(this.locate(path));
  }

  /** The same, with every link followed by the kernel: those of /proc lead to files, whatever they say. */
  identityByKernel(path: string): string | undefined {
    return fileIdentity(join(this.root, path));
  }

  /** Whether a process sees the node's files under the names that we see them under; undefined where only root can tell. */
  sharesRoot(pid: number): boolean | undefined {
    const root = this.identityByKernel(`/proc/${pid}/root`);
    return root === undefined && process.geteuid?.() !== 0 ? undefined : root === this.identity("/");
  }

  isWritable(path: string): boolean {
    return attempt(() => accessSync(this.locate(path), constants.W_OK) ?? true) ?? false;
  }

  /** The names in a directory, sorted; none when it is not there. */
  list(path: string): string[] {
    return attempt(() => readdirSync(this.locate(path)).sort()) ?? [];
  }

  /** The files below a directory in the order of their names, as Go's filepath.Walk: a link to a directory is not entered. */
  walk(directory: string): string[] {
    return this.list(directory).flatMap((name) => {
      const path = join(directory, name);
      return this.link(path) === undefined && this.stat(path)?.isDirectory() === true ? this.walk(path) : [path];
    });
  }

  /** The target of a link, not followed. */
  link(path: string): string | undefined {
    return readLink(join(this.root, path));
  }

  /** Whether execve would not refuse it for its mode. */
  isExecutable(path: string): boolean {
    const stats = this.stat(path);
    return stats?.isFile() === true && (stats.mode & 0o111) !== 0;
  }
}
