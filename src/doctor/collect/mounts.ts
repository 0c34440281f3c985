import type { CgroupFacts } from "../facts.js";
import type { NodeFiles } from "../node-files.js";

/** A mount, as /proc/<pid>/mountinfo has it. */
export interface Mount {
  readonly point: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly superOptions: readonly string[];
}

/** The mounts that we see; below another root, those of the node's first process. */
export function readMounts(files: NodeFiles): readonly Mount[] {
  const text = files.readText("/proc/self/mountinfo") ?? files.readText("/proc/1/mountinfo") ?? "";
  return text.split("\n").flatMap((line) => {
    // proc(5): six fields, optional ones up to a hyphen, then type, source and the file system's options.
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    if (hyphen < 0) return [];
    return [
      {
        point: decodePath(fields[4] ?? ""),
        options: (fields[5] ?? "").split(","),
        type: fields[hyphen + 1] ?? "",
        superOptions: (fields[hyphen + 3] ?? "").split(","),
      },
    ];
  });
}

/** The kernel writes blanks and backslashes in a path as `\040`. */
function decodePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
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
