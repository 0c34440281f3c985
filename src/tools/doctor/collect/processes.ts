import { baseName, type NodeFiles } from "../../../host/node-files.js";
import { type Mount, parseMountinfo } from "../../../host/proc.js";
import type { CgroupFacts } from "../facts.js";

/** A process as /proc shows it. */
export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  readonly args: readonly string[];
  /** Its executable as the node names it; "" when it cannot be read. */
  readonly exe: string;
  /** The executable was replaced or removed since it was started. */
  readonly replaced: boolean;
  readonly uid: number;
}

const deletedMark = " (deleted)";

/** Every process that can be seen, by pid. */
export function listProcesses(files: NodeFiles): readonly ProcessFacts[] {
  return files
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((pid) => {
      const command = files.readText(`/proc/${pid}/comm`)?.trim();
      if (command === undefined) return [];
      const args = (files.readText(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((arg) => arg !== "");
      // Another user's link cannot be read; what has no arguments either has ended, or is the kernel's.
      const link = files.link(`/proc/${pid}/exe`) ?? args[0];
      if (link === undefined) return [];
      return [
        {
          pid,
          command,
          args,
          exe: link.endsWith(deletedMark) ? link.slice(0, -deletedMark.length) : link,
          replaced: link.endsWith(deletedMark),
          uid: files.stat(`/proc/${pid}`)?.uid ?? -1,
        },
      ];
    });
}

/** Another NRI v2 process that runs v0.1 plugins. */
export interface Adapter {
  readonly pid: number;
  readonly name: "nri-v01-bridge" | "v010-adapter";
}

/** The bridges among these processes, and containerd's Go adapters. */
export function adaptersAmong(processes: readonly ProcessFacts[], ownPid: number): readonly Adapter[] {
  return processes.flatMap(({ pid, args, exe }): readonly Adapter[] => {
    if (pid === ownPid) return [];
    // As `node --v8-pool-size=1 nri-v01-bridge.mjs`, the launcher's and the image's form: flags come before the program.
    const program = args.findIndex((arg, at) => at > 0 && !arg.startsWith("-"));
    const names = [exe, args[0] ?? "", args[program < 0 ? 1 : program] ?? ""].map(baseName);
    if (names.some((name) => name.includes("v010-adapter"))) return [{ pid, name: "v010-adapter" }];
    const at = args.findIndex((arg) => /(^|\/)(nri-v01-bridge(\.mjs)?|\d\d-v01-bridge)$/.test(arg));
    const verb = args[at + 1];
    const runs = verb === undefined || verb === "run" || verb.startsWith("-");
    return (at === 0 || at === program) && at >= 0 && runs ? [{ pid, name: "nri-v01-bridge" }] : [];
  });
}

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
