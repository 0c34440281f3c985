import { bad, good, type Parsed } from "./parsed.js";

/** The grammars of values, each with the limits of the place where the value ends up. */

export const maxInt64 = 2n ** 63n - 1n;
export const maxUint64 = 2n ** 64n - 1n;

/** A path of the kernel: PATH_MAX counts the closing NUL. */
export const maxPathBytes = 4095;
/** One argument or variable of execve: MAX_ARG_STRLEN is 32 pages and counts the closing NUL. */
export const maxArgumentBytes = 131_071;
/** What one write to a file of sysfs, procfs or a cgroup can hold: a page. */
export const maxWriteBytes = 4095;

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
  /** What the number counts: ", microseconds". */
  readonly unit?: string;
  /** -1 stands for "no limit", outside the range. */
  readonly unlimited?: true;
}

/** A decimal integer, spelled as JSON spells one: no plus, no leading zero, no fraction, no white space. */
export function parseInteger(text: string, range: IntegerRange): Parsed<bigint> {
  if (/^(?:0|-?[1-9]\d{0,19})$/.test(text)) {
    const value = BigInt(text);
    if (range.unlimited && value === -1n) return good(value);
    if (value >= range.min && value <= range.max) return good(value);
  }
  return bad(describeRange(range));
}

function describeRange({ min, max, unit = "", unlimited }: IntegerRange): string {
  return `${unlimited ? "-1 for no limit, or " : ""}an integer from ${min} to ${max}${unit}`;
}

export function parseBool(text: string): Parsed<boolean> {
  return text === "true" || text === "false" ? good(text === "true") : bad("true or false");
}

/** A text of at most so many bytes that a C string can hold. */
export function checkText(text: string, maxBytes: number, what = "a text"): Parsed<string> {
  if (text.includes("\0")) return bad(`${what} without NUL characters`);
  return byteLength(text) > maxBytes ? bad(`${what} of at most ${maxBytes} bytes`) : good(text);
}

export function checkAbsolutePath(text: string): Parsed<string> {
  return text.startsWith("/") ? checkText(text, maxPathBytes, "a path") : bad("an absolute path");
}

export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/**
 * A list of CPUs or memory nodes as the kernel writes it: `0-3,8`.
 *
 * The kernel reads more than it writes (lib/bitmap.c bitmap_parselist: white space for commas, empty parts, `N`, `all`,
 * `0-7:2/4`), but under systemd's cgroup driver runc reads the list itself and knows none of that
 * (opencontainers/cgroups systemd/cpuset.go RangeToBits).
 *
 * @param count how many the kernel can have at all: a number at or past it is a mistake on any host
 */
export function parseList(text: string, count: number): Parsed<string> {
  const fault = bad(`a list as the kernel writes it, such as 0-3,8, of numbers below ${count}`);
  if (text.length > 65_536) return fault;
  for (const part of text.split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (match === null) return fault;
    const [, first = "", last = first] = match;
    if (Number(first) > Number(last) || Number(last) >= count) return fault;
  }
  return good(text);
}
