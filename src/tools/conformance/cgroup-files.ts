import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, BridgeError, excerpt, fileFault } from "../../base/errors.js";
import { makeDirectory, readRegularFile } from "../../base/files.js";

/** The initial content of each file, by the file's path below the root. */
type CgroupFiles = ReadonlyMap<string, string>;

/**
 * Makes plain files where a plugin for cgroup v1 looks for the cgroup files of a pod or container.
 * @param cgroupsPath the path in a recording, which may be any text; a path with `..` gets no files
 * @throws BridgeError USAGE, with the path, when a file or directory cannot be made
 */
export function makeCgroupFiles(root: string, cgroupsPath: string, quota = 50_000n): CgroupFiles {
  if (cgroupsPath.split("/").includes("..")) return new Map();
  const files = new Map(
    [
      ["cpu", "cpu.cfs_quota_us", String(quota)],
      ["cpu", "cpu.cfs_period_us", "100000"],
      ["cpu", "cpu.shares", "2"],
      ["memory", "memory.limit_in_bytes", "134217728"],
      ["memory", "memory.swappiness", "60"],
      ["cpuset", "cpuset.cpus", "0"],
      ["cpuset", "cpuset.mems", "0"],
    ].map(([controller = "", name = "", value = ""]) => [join(controller, cgroupsPath, name), value]),
  );
  for (const [name, value] of files) {
    const path = join(root, name);
    try {
      makeDirectory(dirname(path));
      writeFileSync(path, `${value}\n`);
    } catch (error) {
      throw new BridgeError("USAGE", `${path}: ${fileFault(error)}`);
    }
  }
  return files;
}

/** The files whose content has changed since. `is` is "gone" for a file that cannot be read any more. */
export function changedFiles(root: string, files: CgroupFiles) {
  return [...files].flatMap(([name, was]) => {
    const is = attempt(() => excerpt(readRegularFile(join(root, name)).toString("utf8").trim())) ?? "gone";
    return is === was ? [] : [{ name, was, is }];
  });
}
