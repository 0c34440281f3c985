import { parse, TomlError } from "smol-toml";
import { errorText } from "../errors.js";

export type TomlTable = Readonly<Record<string, unknown>>;

export type ParsedToml =
  | { readonly ok: true; readonly table: TomlTable }
  | { readonly ok: false; readonly line: number; readonly column: number; readonly reason: string };

/** Reads a TOML text; a fault says where it is, both from 1. */
export function parseToml(text: string): ParsedToml {
  try {
    // bigint: an integer past 2^53 is no reason to give the whole file up.
    const table: unknown = parse(text, { integersAsBigInt: "asNeeded" });
    return { ok: true, table: isTable(table) ? table : {} };
  } catch (error) {
    if (!(error instanceof TomlError)) return { ok: false, line: 1, column: 1, reason: errorText(error) };
    const reason = error.message.split("\n")[0] ?? "";
    return { ok: false, line: error.line, column: error.column, reason };
  }
}

export function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The table under these keys; an empty one when there is none. */
export function tableAt(table: TomlTable, ...keys: readonly string[]): TomlTable {
  let at: unknown = table;
  for (const key of keys) at = isTable(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  return isTable(at) ? at : {};
}

/** The texts of a list; none when it is no list. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

/**
 * The line of a table's header, or of a key in it; undefined when it stands there in a form that this does not know. For
 * people to look at: nothing is decided by it.
 */
export function lineOf(text: string, keys: readonly string[], key?: string): number | undefined {
  const wanted = keys.join("\0");
  let inside = keys.length === 0;
  for (const [at, line] of text.split("\n").entries()) {
    const header = /^\s*\[([^[\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      inside = splitKeys(header).join("\0") === wanted;
      if (inside && key === undefined) return at + 1;
    } else if (inside && key !== undefined && new RegExp(`^\\s*["']?${key}["']?\\s*=`).test(line)) return at + 1;
  }
  return undefined;
}

function splitKeys(header: string): string[] {
  const parts = header.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g);
  return [...parts].map(([, double, single, bare]) => double ?? single ?? bare ?? "");
}

/** Milliseconds of a duration as Go writes it (`2s`, `1m30s`, `500ms`), or of a number, which is nanoseconds. */
export function durationMs(value: unknown): number | undefined {
  if (typeof value === "number" || typeof value === "bigint") return Number(value) / 1e6;
  if (typeof value !== "string" || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(value)) return undefined;
  const units: Readonly<Record<string, number>> = {
    ns: 1e-6,
    us: 1e-3,
    µs: 1e-3,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
  };
  const parts = value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g);
  return [...parts].reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit ?? ""] ?? 0), 0);
}
