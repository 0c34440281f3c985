import { bad, type Fault, suggest } from "./parsed.js";

/** Returns what is wrong with a text; undefined if the text is valid. */
export type Check = (text: string) => Fault | undefined;

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
  /** The unit, as error messages append it to the range: ", microseconds". */
  readonly unit?: string;
  /** The value -1 is valid too, although outside the range, and means "no limit". */
  readonly unlimited?: true;
}

/** The ranges of protobuf's integers. */
export const int64: IntegerRange = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
export const uint64: IntegerRange = { min: 0n, max: 2n ** 64n - 1n };
const int32: IntegerRange = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
const uint32: IntegerRange = { min: 0n, max: 2n ** 32n - 1n };
export const integers: Readonly<Record<string, IntegerRange>> = { int32, uint32, int64, uint64 };

/**
 * Parses a decimal integer, spelled as in JSON: no plus, no leading zero, no fraction, no exponent, no white space. Undefined for
 * any other text, and for a number outside the range.
 */
export function parseInteger(text: string, { min, max, unlimited }: IntegerRange): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,19})$/.test(text)) return undefined;
  const value = BigInt(text);
  return (unlimited && value === -1n) || (value >= min && value <= max) ? value : undefined;
}

export function describeRange({ min, max, unit = "", unlimited }: IntegerRange): string {
  return `${unlimited ? "-1 for no limit, or " : ""}an integer from ${min} to ${max}${unit}`;
}

/**
 * The longest path that the kernel takes (PATH_MAX counts the closing NUL), and the longest write that a kernel file takes, which
 * is a page.
 */
const maxPathBytes = 4095;
/** The longest argument or environment variable of execve: MAX_ARG_STRLEN is 32 pages and counts the closing NUL. */
export const maxArgumentBytes = 131_071;

/** Checks that a text matches a pattern. @param remedy absent where the remedy is simply to correct the value */
export function matches(pattern: RegExp, expected: string, remedy?: string): Check {
  return (text) => (pattern.test(text) ? undefined : bad(expected, remedy));
}

/** Checks that a C string of at most `maxBytes` bytes can hold a text: the text has no NUL. */
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

/**
 * Checks a text for a file of cgroup v2. The runtime writes the text line by line (opencontainers/cgroups fs2/fs2.go setUnified).
 */
export const unifiedText: Check = (text) =>
  text !== "" && text.split("\n").every((line) => sysctlValue(line) === undefined)
    ? undefined
    : bad(`text of lines of at most ${maxPathBytes} bytes`);

/**
 * Checks a list of CPUs or memory nodes, such as `0-3,8`. Of the kernel's syntax (lib/bitmap.c) the check allows what runc's
 * systemd cgroup driver parses too (opencontainers/cgroups systemd/cpuset.go RangeToBits).
 * @param count the most CPUs or nodes that a kernel can have
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

// The kernel's upper limits: NR_CPUS is 8192 at most, MAX_NUMNODES 1024.
export const cpus = kernelList(8192);
export const nodes = kernelList(1024);

/**
 * Checks a huge page size, spelled as in the kernel's file names (mm/hugetlb_cgroup.c mem_fmt). A runtime finds no file for a size
 * in another spelling.
 */
export const pageSize = matches(
  /^(?:[1248]|16|32|64|128|256|512)[KMG]B$/,
  "a page size as the kernel names it: 64KB, 2MB, 1GB",
  "fix the key",
);

/** The resources of setrlimit(2), as OCI names them. */
const rlimits = "AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK";
export const rlimitTypes: readonly string[] = rlimits.split(" ").map((name) => `RLIMIT_${name}`);
