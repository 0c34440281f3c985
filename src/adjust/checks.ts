import { bad, type Fault, suggest } from "./parsed.js";

/** The fault of a text; undefined where it is fine. */
export type Check = (text: string) => Fault | undefined;

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
  /** The unit of the number: ", microseconds". */
  readonly unit?: string;
  /** -1 stands for "no limit", outside the range. */
  readonly unlimited?: true;
}

/** The ranges of protobuf's integers. */
export const int64: IntegerRange = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
export const uint64: IntegerRange = { min: 0n, max: 2n ** 64n - 1n };
const int32: IntegerRange = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
const uint32: IntegerRange = { min: 0n, max: 2n ** 32n - 1n };
export const integers: Readonly<Record<string, IntegerRange>> = { int32, uint32, int64, uint64 };

/** A decimal integer, spelled as JSON spells one: no plus, no leading zero, no fraction, no exponent, no white space. */
export function parseInteger(text: string, { min, max, unlimited }: IntegerRange): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,19})$/.test(text)) return undefined;
  const value = BigInt(text);
  return (unlimited && value === -1n) || (value >= min && value <= max) ? value : undefined;
}

export function describeRange({ min, max, unit = "", unlimited }: IntegerRange): string {
  return `${unlimited ? "-1 for no limit, or " : ""}an integer from ${min} to ${max}${unit}`;
}

/** A path of the kernel (PATH_MAX counts the closing NUL), and what one write to a file of the kernel can hold: a page. */
const maxPathBytes = 4095;
/** One argument or variable of execve: MAX_ARG_STRLEN is 32 pages and counts the closing NUL. */
export const maxArgumentBytes = 131_071;

/** A text of a form. @param remedy absent: correct the value */
export function matches(pattern: RegExp, expected: string, remedy?: string): Check {
  return (text) => (pattern.test(text) ? undefined : bad(expected, remedy));
}

/** A text of at most this many bytes without NUL, which a C string can hold. */
export function fits(maxBytes: number, what = "a text"): Check {
  return (text) => {
    if (text.includes("\0")) return bad(`${what} without NUL characters`);
    return Buffer.byteLength(text) > maxBytes ? bad(`${what} of at most ${maxBytes} bytes`) : undefined;
  };
}

export function oneOf(names: readonly string[], what: string): Check {
  return (text) => (names.includes(text) ? undefined : bad(what, suggest(text, names, "fix the name")));
}

export const annotationKey = matches(/./s, "the key of an annotation", "fix the key");
export const argument = fits(maxArgumentBytes);
export const sysctlValue = fits(maxPathBytes);
export const pathText = fits(maxPathBytes, "a path");

export function absolutePath(what: string): Check {
  return (text) => (text.startsWith("/") ? pathText(text) : bad(`an absolute path as ${what}`, "fix the key"));
}

/** A file of cgroup v2 is written line by line (opencontainers/cgroups fs2/fs2.go setUnified). */
export const unifiedText: Check = (text) =>
  text !== "" && text.split("\n").every((line) => sysctlValue(line) === undefined)
    ? undefined
    : bad(`text of lines of at most ${maxPathBytes} bytes`);

/**
 * A list of CPUs or memory nodes, `0-3,8`: the part of the kernel's form (lib/bitmap.c) that runc also knows under systemd's
 * driver (opencontainers/cgroups systemd/cpuset.go RangeToBits). @param count how many a kernel can have
 */
function kernelList(count: number): Check {
  const fault = bad(`a list as the kernel writes it, such as 0-3,8, of numbers below ${count}`);
  return (text) => {
    if (text.length > 65_536) return fault;
    for (const part of text.split(",")) {
      const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
      if (match === null) return fault;
      const [, first = "", last = first] = match;
      if (Number(first) > Number(last) || Number(last) >= count) return fault;
    }
    return undefined;
  };
}

// The kernel has no more of them: NR_CPUS is 8192 at most, MAX_NUMNODES 1024.
export const cpus = kernelList(8192);
export const nodes = kernelList(1024);

/** A page size as the kernel names its files (mm/hugetlb_cgroup.c mem_fmt): a runtime finds no file by another name. */
export const pageSize = matches(
  /^(?:[1248]|16|32|64|128|256|512)[KMG]B$/,
  "a page size as the kernel names it: 64KB, 2MB, 1GB",
  "fix the key",
);

/** The resources of setrlimit(2), as OCI names them. */
const rlimits = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK";
export const rlimitTypes: readonly string[] = rlimits.split(" ").map((name) => `RLIMIT_${name}`);
