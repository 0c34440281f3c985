import { mkdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { onTestFinished, type TestContext } from "vitest";
import { parseCgroupMounts } from "../../src/cgroup/container-cgroup.js";
import type { Machine } from "../../src/cgroup/machine.js";
import { children, isAlive } from "../plugin/processes.js";

/** Sixteen processors, two memory nodes, two sizes of huge pages. */
export const machine: Machine = {
  cpus: Array.from({ length: 16 }, (_, index) => index),
  mems: [0, 1],
  hugepages: [
    { name: "2MB", bytes: 1n << 21n },
    { name: "1GB", bytes: 1n << 30n },
  ],
};

/** This machine's. */
export const mounts = parseCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
export const testCgroup = `/nri-v01-bridge-test-${process.pid}`;

/** Makes a cgroup where controllers are on cgroup v1, for the test, which is skipped where none can be made. */
export function makeCgroup(context: TestContext, controllers: readonly string[], path = testCgroup): string[] {
  return controllers.map((controller) => {
    const directory = `${mounts.v1.get(controller)?.point}${path}`;
    try {
      mkdirSync(directory);
    } catch {
      return context.skip("no cgroup v1 here, or none can be made (needs root)");
    }
    onTestFinished(() => rmdirSync(directory));
    return directory;
  });
}

/** The processes that wait in the views of a bridge: its children in mount namespaces of their own. */
export function keepersOf(bridge: number): number[] {
  const own = namespaceOf(bridge);
  return children(bridge).filter((pid) => isAlive(pid) && ![own, ""].includes(namespaceOf(pid)));
}

/** The mount namespace of a process; "" when it has ended. */
export function namespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return "";
  }
}
