import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { applyChanges } from "../../src/cgroup/apply.js";
import { parseCgroupMounts } from "../../src/cgroup/container-cgroup.js";
import { readMachine } from "../../src/cgroup/machine.js";

/** A real cgroup v2 hierarchy with the hugetlb controller, which a machine with cgroup v1 beside it may have left there. */
const mounts = parseCgroupMounts(readFileSync("/proc/self/mountinfo", "utf8"));
const root =
  ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].find((path) => existsSync(`${path}/cgroup.controllers`)) ?? "";
const path = `/nri-v01-test-${process.pid}`;

let enabledHere = false;

/** Makes a cgroup for the test; undefined where that cannot be. */
function makeCgroup(): string | undefined {
  if (root === "" || !readFileSync(`${root}/cgroup.controllers`, "utf8").split(/\s/).includes("hugetlb"))
    return undefined;
  try {
    const enabled = readFileSync(`${root}/cgroup.subtree_control`, "utf8").split(/\s/).includes("hugetlb");
    if (!enabled) writeFileSync(`${root}/cgroup.subtree_control`, "+hugetlb");
    enabledHere = !enabled;
    mkdirSync(`${root}${path}`);
    return `${root}${path}`;
  } catch {
    return undefined;
  }
}

const directory = makeCgroup();
const file = `${directory}/hugetlb.2MB.max`;

afterAll(() => {
  if (directory !== undefined) rmdirSync(directory);
  if (enabledHere) writeFileSync(`${root}/cgroup.subtree_control`, "-hugetlb");
});

describe.runIf(existsSync(file))("a real cgroup v2 with the hugetlb controller", () => {
  const apply = (pageSize: string, limit: bigint) =>
    applyChanges({ hugepageLimits: [{ pageSize, limit }] }, { mounts, machine: readMachine(), cgroupsPath: path });

  it("gets a limit of huge pages", () => {
    expect(apply("2MB", 4_194_304n)).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe("4194304\n");
  });

  it("is left as it is by a page size that the machine does not have", () => {
    expect(apply("3MB", 1n)).toEqual([expect.stringContaining("3MB")]);
    expect(readFileSync(file, "utf8")).toBe("4194304\n");
  });
});
