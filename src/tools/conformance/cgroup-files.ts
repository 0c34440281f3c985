import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { attempt, BridgeError, excerpt, fileFault } from "../../base/errors.js";
import { makeDirectory, readRegularFile } from "../../base/files.js";

/** Files with what they hold at first, by their path below the root. */
type CgroupFiles = ReadonlyMap<string, string>;

/**
 * Makes plain files where a plugin for cgroup v1 looks for those of a pod or container.
 * @param cgroupsPath of a recording, which may be any text @throws BridgeError USAGE that names what cannot be made
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

/** Those that hold something else by now; `gone` where there is no file any more. */
export function changedFiles(root: string, files: CgroupFiles) {
  return [...files].flatMap(([name, was]) => {
    const is = attempt(() => excerpt(readRegularFile(join(root, name)).toString("utf8").trim())) ?? "gone";
    return is === was ? [] : [{ name, was, is }];
  });
}
