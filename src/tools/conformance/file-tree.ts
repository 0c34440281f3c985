import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { BridgeError, errnoOf, fileFault } from "../../base/errors.js";
import { makeDirectory, readRegularFile } from "../../base/files.js";

/** Files by their path below the root, with something that changes when they do. */
type FileTree = ReadonlyMap<string, string>;

/** A directory of more files than this is no place to watch. */
const maxFiles = 10_000;
/** Up to this size a file's content is compared; above, its size and time. */
const maxContentBytes = 64 * 1024;

/**
 * What goes away meanwhile is not there: a plugin may do what it likes with the directory.
 * @throws BridgeError USAGE that names the directory, when it cannot be read or holds too much
 */
export function readFileTree(root: string): FileTree {
  const files = new Map<string, string>();
  try {
    readInto(files, root, root);
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError("USAGE", `${root}: ${fileFault(error)}`);
  }
  return files;
}

function readInto(files: Map<string, string>, root: string, folder: string): void {
  for (const entry of ifThere(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) readInto(files, root, path);
    const content = entry.isFile() ? ifThere(() => readContent(path)) : undefined;
    if (content !== undefined) files.set(relative(root, path), content);
    if (files.size > maxFiles) {
      throw new BridgeError("USAGE", `${root}: it holds more than ${maxFiles} files; name a smaller directory`);
    }
  }
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function readContent(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return size > maxContentBytes ? `${size} bytes at ${mtimeMs}` : readRegularFile(path).toString("latin1");
}

/** One line for each file that differs: `name: 50000 -> -1`, or `name: changed` where the content says little. */
export function compareTrees(before: FileTree, after: FileTree): string[] {
  const changes: string[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) continue;
    if (was === undefined) changes.push(`${path}: new`);
    else if (is === undefined) changes.push(`${path}: removed`);
    else changes.push(isShort(was) && isShort(is) ? `${path}: ${was.trim()} -> ${is.trim()}` : `${path}: changed`);
  }
  return changes.toSorted();
}

function isShort(content: string): boolean {
  return /^[ -~]{1,40}\n?$/.test(content);
}

/**
 * Makes plain files where a plugin with cgroup v1 in mind looks for those of a pod or container.
 * @param cgroupsPath of a recording, which may be any text: files are made for what stays below the root
 * @throws BridgeError USAGE that names what cannot be made
 */
export function makeCgroupFiles(root: string, cgroupsPath: string, quota = 50_000n): void {
  if (cgroupsPath.split("/").includes("..")) return;
  const controllers = {
    cpu: { "cpu.cfs_quota_us": quota, "cpu.cfs_period_us": "100000", "cpu.shares": "2" },
    memory: { "memory.limit_in_bytes": "134217728", "memory.swappiness": "60" },
    cpuset: { "cpuset.cpus": "0", "cpuset.mems": "0" },
  } as const;
  for (const [controller, files] of Object.entries(controllers)) {
    const folder = join(root, controller, cgroupsPath);
    try {
      makeDirectory(folder);
      for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), `${content}\n`);
    } catch (error) {
      throw new BridgeError("USAGE", `${folder}: ${fileFault(error)}`);
    }
  }
}
