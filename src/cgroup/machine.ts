import { readdirSync, readFileSync } from "node:fs";

import { formatList, type IndexRanges, parseList } from "./kernel-values.js";

/** What a cgroup's files show of the machine they are on. */
export interface Machine {
  /** Online processors. */
  readonly cpus: IndexRanges;
  /** Online memory nodes. */
  readonly mems: IndexRanges;
  readonly pageSize: bigint;
  /** By the kernel's names for them, such as `2MB`. */
  readonly hugepages: readonly Hugepage[];
}

export interface Hugepage {
  readonly name: string;
  readonly bytes: bigint;
}

const defaultPageSize = 4096n;
/** AT_PAGESZ of getauxval(3). */
const pageSizeTag = 6n;

/** Reads what this machine has. What cannot be read is as on a machine of one processor and one node. */
export function readMachine(root = "/"): Machine {
  const hugepages = listNames(`${root}sys/kernel/mm/hugepages`)
    .map((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1])
    .filter((size) => size !== undefined)
    .map((size) => BigInt(size) * 1024n)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((bytes) => ({ name: formatHugepage(bytes), bytes }));
  return {
    cpus: readList(`${root}sys/devices/system/cpu/online`),
    mems: readList(`${root}sys/devices/system/node/online`),
    pageSize: readPageSize(`${root}proc/self/auxv`),
    hugepages,
  };
}

/** As the kernel names a hugetlb controller's files: the largest of GB, MB and KB that divides it. */
function formatHugepage(bytes: bigint): string {
  if (bytes >= 1n << 30n) return `${bytes >> 30n}GB`;
  return bytes >= 1n << 20n ? `${bytes >> 20n}MB` : `${bytes >> 10n}KB`;
}

/** The machine's lists as text, for messages and for cpuset files. */
export function machineLists(machine: Machine): { readonly cpus: string; readonly mems: string } {
  return { cpus: formatList(machine.cpus), mems: formatList(machine.mems) };
}

function readList(path: string): IndexRanges {
  const ranges = parseList(readText(path).trim(), []);
  return ranges === undefined || ranges.length === 0 ? [[0, 0]] : ranges;
}

function readPageSize(path: string): bigint {
  try {
    const words = readFileSync(path);
    for (let at = 0; at + 16 <= words.length; at += 16) {
      if (words.readBigUInt64LE(at) === pageSizeTag) return words.readBigUInt64LE(at + 8);
    }
  } catch {
    // Only rounding depends on it.
  }
  return defaultPageSize;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function listNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
