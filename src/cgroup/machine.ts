import { readdirSync, readFileSync } from "node:fs";
import { attempt } from "../base/errors.js";

/** What a cgroup's files show of the machine they are on. */
export interface Machine {
  /** Online processors. */
  readonly cpus: IndexRanges;
  /** Online memory nodes. */
  readonly mems: IndexRanges;
  /** By the kernel's names for them, such as `2MB`. */
  readonly hugepages: readonly { readonly name: string; readonly bytes: bigint }[];
}

/** Reads what this machine has. What cannot be read is as on a machine of one processor and one node. */
export function readMachine(): Machine {
  const hugepages = (attempt(() => readdirSync("/sys/kernel/mm/hugepages")) ?? [])
    .flatMap((name) => /^hugepages-(\d+)kB$/.exec(name)?.[1] ?? [])
    .map((size) => BigInt(size) * 1024n)
    .sort((a, b) => (a < b ? -1 : 1))
    .map((bytes) => ({ name: formatHugepage(bytes), bytes }));
  return {
    cpus: readList("/sys/devices/system/cpu/online"),
    mems: readList("/sys/devices/system/node/online"),
    hugepages,
  };
}

/** As the kernel names a hugetlb controller's files: the largest of GB, MB and KB that divides it. */
function formatHugepage(bytes: bigint): string {
  if (bytes >= 1n << 30n) return `${bytes >> 30n}GB`;
  return bytes >= 1n << 20n ? `${bytes >> 20n}MB` : `${bytes >> 10n}KB`;
}

function readList(path: string): IndexRanges {
  const ranges = parseList(attempt(() => readFileSync(path, "utf8").trim()) ?? "", []);
  return ranges === undefined || ranges.length === 0 ? [[0, 0]] : ranges;
}

/** What was written to a cgroup file, in one spelling: decimal numbers, `-1` for no limit, lists as the kernel prints them. */
export type Parsed = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly reason: string };

const maxUnsigned = 2n ** 64n - 1n;
const maxSigned = 2n ** 63n - 1n;
const suffixes = "KMGTPE";

export function accept(value: bigint | string): Parsed {
  return { ok: true, value: String(value) };
}

export function refuse(reason: string): Parsed {
  return { ok: false, reason };
}

/** An unsigned number as kstrtoull reads it with base 0: decimal, 0x hex, octal after a leading 0; no suffix. */
export function parseUnsigned(text: string): bigint | undefined {
  const digits = /^\+?(0[xX][0-9a-fA-F]+|[0-9]+)$/.exec(text)?.[1];
  const number = digits === undefined ? undefined : parseDigits(digits);
  return number !== undefined && number <= maxUnsigned ? number : undefined;
}

/** A signed number, as kstrtoll reads it. */
export function parseSigned(text: string): bigint | undefined {
  const negative = text.startsWith("-");
  const number = parseUnsigned(negative ? text.slice(1).replace(/^\+/, "x") : text);
  if (number === undefined) return undefined;
  if (negative) return number <= maxSigned + 1n ? -number : undefined;
  return number <= maxSigned ? number : undefined;
}

/**
 * A size as memparse reads it: a number with at most one of K M G T P E, in either case, each 1024 times the one before.
 * Unlike the kernel, which wraps around, a size of more than 64 bits is refused.
 */
export function parseSize(text: string): bigint | undefined {
  const parts = /^(0[xX][0-9a-fA-F]+|[0-9]+)([KMGTPEkmgtpe]?)$/.exec(text);
  const number = parts?.[1] === undefined ? undefined : parseDigits(parts[1]);
  if (number === undefined) return undefined;
  const suffix = parts?.[2] ?? "";
  const bytes = suffix === "" ? number : number << BigInt(10 * (suffixes.indexOf(suffix.toUpperCase()) + 1));
  return bytes <= maxUnsigned ? bytes : undefined;
}

function parseDigits(digits: string): bigint | undefined {
  if (/^0[xX]/.test(digits)) return BigInt(digits);
  if (!/^0[0-9]/.test(digits)) return BigInt(digits);
  return /^[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : undefined;
}

/** Inclusive ranges of cpus or memory nodes, sorted and merged. */
export type IndexRanges = readonly (readonly [number, number])[];

/** No machine has more; it keeps `0-4000000000` from being work. */
const maxIndex = 65_535;

/**
 * A list of cpus or memory nodes as the kernel's bitmap_parselist reads it: `0-3,8`, `0-15:2/4` (2 of every 4), `all`, and
 * `N` for the last one of the machine's.
 */
export function parseList(text: string, machine: IndexRanges): IndexRanges | undefined {
  if (text === "") return [];
  const last = machine.at(-1)?.[1] ?? 0;
  const found: (readonly [number, number])[] = [];
  for (const part of text.split(",")) {
    const item = part.trim();
    if (item === "") continue;
    const parts = /^(?:(all)|(\d{1,9}|N)(?:-(\d{1,9}|N))?)(?::(\d{1,9})\/(\d{1,9}))?$/.exec(item);
    if (parts === null) return undefined;
    const [, all, first = "0", to = all === undefined ? first : "N", used, group] = parts;
    const [begin, end] = [first, to].map((index) => (index === "N" ? last : Number(index)));
    if (begin === undefined || end === undefined || begin > end || end > maxIndex) return undefined;
    if (used === undefined || group === undefined) {
      found.push([begin, end]);
      continue;
    }
    const [take, step] = [Number(used), Number(group)];
    if (take === 0 || take > step) return undefined;
    for (let at = begin; at <= end; at += step) found.push([at, Math.min(at + take - 1, end)]);
  }
  return merge(found);
}

export function formatList(ranges: IndexRanges): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** Whether every index of `inner` is in `outer`. */
export function isWithin(inner: IndexRanges, outer: IndexRanges): boolean {
  return inner.every(([first, last]) => outer.some(([from, to]) => from <= first && last <= to));
}

function merge(ranges: readonly (readonly [number, number])[]): IndexRanges {
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}
