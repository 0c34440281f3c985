import { type Mount, parseMountinfo } from "../../../host/mountinfo.js";
import type { NodeFiles } from "../../../host/node-files.js";
import type { CgroupFacts } from "../facts.js";

/** The mounts that we see; below another root, those of the node's first process. */
export function readMounts(files: NodeFiles): readonly Mount[] {
  const text = files.readText("/proc/self/mountinfo") ?? files.readText("/proc/1/mountinfo") ?? "";
  return parseMountinfo(text);
}

/** Which cgroup version the node has: the controllers decide, `name=systemd` alone is no v1. */
export function cgroupVersionOf(mounts: readonly Mount[]): CgroupFacts {
  const v1 = mounts.some(({ type, superOptions }) => type === "cgroup" && hasController(superOptions));
  const v2 = mounts.some(({ type }) => type === "cgroup2");
  if (v1) return { version: v2 ? "hybrid" : "v1" };
  return { version: v2 ? "v2" : "unknown" };
}

function hasController(superOptions: readonly string[]): boolean {
  return superOptions.some((option) => /^(cpu|cpuacct|cpuset|memory|blkio|pids|devices)$/.test(option));
}

/** The mount that a path lies on. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts
    .filter(({ point }) => path === point || path.startsWith(point === "/" ? "/" : `${point}/`))
    .reduce<Mount | undefined>(
      (best, mount) => (mount.point.length >= (best?.point.length ?? 0) ? mount : best),
      undefined,
    );
}
