import { readdirSync, readFileSync } from "node:fs";
import { attempt } from "../base/errors.js";

export type Machine = Readonly<ReturnType<typeof readMachine>>;

/** Reads this machine's CPUs, memory nodes and huge page sizes. Lists that the bridge cannot read become one CPU and one node. */
export function readMachine() {
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

/**
 * A huge page size as the kernel spells it in the names of hugetlb files: in the largest of GB, MB and KB that divides the size.
 */
function formatHugepage(bytes: bigint): string {
  if (bytes >= 1n << 30n) return `${bytes >> 30n}GB`;
  return bytes >= 1n << 20n ? `${bytes >> 20n}MB` : `${bytes >> 10n}KB`;
}

/** Reads a list of CPUs or memory nodes, of which no machine has more than 65536. */
function readList(path: string): Indexes {
  const list = parseList(attempt(() => readFileSync(path, "utf8").trim()) ?? "", 65_535) ?? [];
  return list.length === 0 ? [0] : list;
}

/**
 * The text of a write to a cgroup file in one normal spelling (decimal numbers, `-1` for no limit, lists as the kernel prints
 * them), or why the kernel would refuse the text.
 */
export type Parsed = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly reason: string };

export function accept(value: bigint | string): Parsed {
  return { ok: true, value: String(value) };
}

export function refuse(reason: string): Parsed {
  return { ok: false, reason };
}

const maxUnsigned = 2n ** 64n - 1n;
const maxSigned = 2n ** 63n - 1n;
const digits = "(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)";
const unsigned = new RegExp(`^\\+?${digits}$`);
const size = new RegExp(`^${digits}([KMGTPE]?)$`, "i");

/** Converts digits as C reads them: octal after a leading 0. */
function toBigInt(text: string): bigint {
  return BigInt(/^0\d/.test(text) ? `0o${text}` : text);
}

/**
 * Parses an unsigned number as the kernel's kstrtoull does with base 0: decimal, 0x hex, octal after a leading 0; no suffix.
 * Undefined for any other text.
 */
export function parseUnsigned(text: string): bigint | undefined {
  const [, found] = unsigned.exec(text) ?? [];
  const number = found === undefined ? undefined : toBigInt(found);
  return number !== undefined && number <= maxUnsigned ? number : undefined;
}

/** Parses a signed number as the kernel's kstrtoll does; undefined for any other text. */
export function parseSigned(text: string): bigint | undefined {
  const isNegative = /^-[^+]/.test(text);
  const number = parseUnsigned(isNegative ? text.slice(1) : text);
  if (number === undefined || number > maxSigned + (isNegative ? 1n : 0n)) return undefined;
  return isNegative ? -number : number;
}

/**
 * Parses a size as the kernel's memparse does: a number with at most one suffix of K M G T P E. Undefined for any other text, and
 * past 64 bits, where the kernel wraps around.
 */
export function parseSize(text: string): bigint | undefined {
  const [, found, suffix = ""] = size.exec(text) ?? [];
  if (found === undefined) return undefined;
  const bytes = toBigInt(found) << BigInt(10 * " KMGTPE".indexOf(suffix.toUpperCase() || " "));
  return bytes <= maxUnsigned ? bytes : undefined;
}

export type Indexes = readonly number[];

/**
 * Parses a list as the kernel's bitmap_parselist does: `0-3,8`, `0-15:2/4` (2 of every 4), `all`, `N` for the index `last`.
 * Undefined for any other text, and for an index above `last`.
 */
export function parseList(text: string, last: number): Indexes | undefined {
  const found = new Set<number>();
  for (const item of text.split(",").map((part) => part.trim())) {
    const parts = /^(?:(all)|(\d{1,9}|N)(?:-(\d{1,9}|N))?)(?::(\d{1,9})\/(\d{1,9}))?$/.exec(item);
    if (item === "") continue;
    if (parts === null) return undefined;
    const [, all, first = "0", to = all === undefined ? first : "N", used = "1", group = "1"] = parts;
    const [begin = 0, end = 0] = [first, to].map((index) => (index === "N" ? last : Number(index)));
    const [take, step] = [Number(used), Number(group)];
    if (begin > end || end > last || take === 0 || take > step) return undefined;
    for (let index = begin; index <= end; index++) if ((index - begin) % step < take) found.add(index);
  }
  return [...found].sort((a, b) => a - b);
}

export function formatList(indexes: Indexes): string {
  const all = new Set(indexes);
  const ends = indexes.filter((index) => !all.has(index + 1));
  return indexes
    .filter((index) => !all.has(index - 1))
    .map((first, at) => (first === ends[at] ? `${first}` : `${first}-${ends[at]}`))
    .join(",");
}
