import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, readRegularFile } from "../files.js";
import { decodeEvent } from "../nri/events.js";
import type { Case } from "./case.js";

/** Plain files in the place of the cgroups of a played case, for plugins that write to them. */
export interface CgroupTree {
  /** What stands for /sys/fs/cgroup. */
  readonly root: string;
  /** The files that a container of the case has, by name, with their present content. */
  read(): ReadonlyMap<string, string>;
}

/** Makes `cpu/<cgroupsPath>/cpu.cfs_quota_us` for each container that is started in the case, as its resources say. */
export function createCgroupTree(root: string, played: Case): CgroupTree {
  const files = new Map<string, string>();
  for (const { method, payload } of played.events) {
    const event = decodeEvent(method, payload);
    if (event?.name !== "StartContainer") continue;
    const directory = join(root, "cpu", event.container.linux?.cgroupsPath ?? "");
    const file = join(directory, "cpu.cfs_quota_us");
    makeDirectory(directory);
    // The kernel's default, which is no limit, where the container has none.
    writeFileSync(file, `${event.container.linux?.resources?.cpu?.quota ?? -1n}\n`);
    files.set("cpu.cfs_quota_us", file);
  }
  return {
    root,
    read: () => new Map([...files].map(([name, file]) => [name, contentOf(file)])),
  };
}

/** What a plugin has left there: it may have put anything in the file's place. */
function contentOf(file: string): string {
  try {
    return readRegularFile(file).toString("utf8").trim();
  } catch {
    return "gone";
  }
}
