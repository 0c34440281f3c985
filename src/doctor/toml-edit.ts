import { isDeepStrictEqual } from "node:util";
import { shellWord } from "./finding.js";
import { changeLines, type LineChange, sedCommand } from "./line-edit.js";
import { isTable, lineOf, parseToml, type TomlTable, textsOf } from "./toml.js";

/** A TOML file as it is. */
export interface TomlFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The command that sets one value, and changes nothing else: each form that it could have is tried on the text, and only one
 * that leads to the wanted file is given. Undefined where none does: then a person has to look.
 */
export function setTomlValue(file: TomlFile, keys: readonly string[], key: string, value: unknown): string | undefined {
  const parsed = parseToml(file.text);
  if (!parsed.ok) return undefined;
  const wanted = withValue(parsed.table, [...keys, key], value);
  const written = toToml(value);
  for (const changes of changesFor(file.text, keys, key, written)) {
    const command = verified(file, changes, wanted);
    if (command !== undefined) return command;
  }
  return appended(file, keys, `${key} = ${written}`, wanted);
}

/** The command that takes names out of a list of the top level. */
export function removeFromList(file: TomlFile, key: string, names: readonly string[]): string | undefined {
  const parsed = parseToml(file.text);
  const start = lineOf(file.text, [], key);
  if (!parsed.ok || start === undefined) return undefined;
  const wanted = withValue(
    parsed.table,
    [key],
    textsOf(parsed.table[key]).filter((name) => !names.includes(name)),
  );
  const lines = file.text.split("\n");
  const ends = lines.findIndex((line, at) => at >= start && /^\s*(\[|[\w"'-]+\s*=)/.test(line));
  const changes = lines.slice(0, ends < 0 ? undefined : ends).flatMap((line, at): LineChange[] => {
    const left = at < start - 1 ? line : names.reduce(without, line);
    if (left === line) return [];
    return [{ at, to: left.trim() === "" ? { deleted: true } : { text: left } }];
  });
  return verified(file, changes, wanted);
}

/** The command that gives a table another name. */
export function renameTable(file: TomlFile, from: readonly string[], header: string, to: string): string | undefined {
  const parsed = parseToml(file.text);
  const line = lineOf(file.text, from);
  const [parent = "", name = ""] = from;
  const tables = parsed.ok ? parsed.table[parent] : undefined;
  if (!parsed.ok || line === undefined || !isTable(tables) || Object.hasOwn(tables, to)) return undefined;
  const { [name]: moved, ...others } = tables;
  const old = file.text.split("\n")[line - 1] ?? "";
  const change = { at: line - 1, to: { text: old.replace(/\[.*\]/, header) } };
  return verified(file, [change], { ...parsed.table, [parent]: { ...others, [to]: moved } });
}

function* changesFor(text: string, keys: readonly string[], key: string, value: string): Generator<LineChange[]> {
  const lines = text.split("\n");
  const replaced = (at: number, by: (line: string) => string): LineChange[] => [
    { at, to: { text: by(lines[at] ?? "") } },
  ];
  const own = lineOf(text, keys, key);
  if (own !== undefined) yield replaced(own - 1, (line) => line.replace(/=.*/, `= ${value}`));
  const header = lineOf(text, keys);
  if (header !== undefined) {
    const indent = /^\s*/.exec(lines[header - 1] ?? "")?.[0] ?? "";
    yield [{ at: header - 1, to: { after: `${indent}  ${key} = ${value}` } }];
  }
  // Inline: `"name" = {key = value}`, or `"name".key = value`.
  const name = keys.at(-1) ?? "";
  for (const [at, line] of lines.entries()) {
    if (!line.includes(name)) continue;
    const pattern = new RegExp(`(^|[\\s{,.])(${key}\\s*=\\s*)("[^"]*"|'[^']*'|[^\\s,}]+)`);
    yield replaced(at, (old) => old.replace(pattern, `$1$2${value}`));
    yield replaced(at, (old) => old.replace(/=\s*\{\s*\}/, `= {${key} = ${value}}`));
    yield replaced(at, (old) => old.replace(/=\s*\{/, `= {${key} = ${value}, `));
  }
}

function verified(file: TomlFile, changes: readonly LineChange[], wanted: TomlTable): string | undefined {
  return isToml(changeLines(file.text, changes), wanted) ? sedCommand(file.path, file.text, changes) : undefined;
}

/** A section of its own at the end, unless another command has made it meanwhile. */
function appended(file: TomlFile, keys: readonly string[], line: string, wanted: TomlTable): string | undefined {
  if (keys.length === 0) return undefined;
  const header = `[${keys.map((key) => (/^[\w-]+$/.test(key) ? key : `"${key}"`)).join(".")}]`;
  const withHeader = `${file.text}\n${header}\n`;
  const change = { at: withHeader.split("\n").length - 2, to: { after: `  ${line}` } };
  const insert = isToml(changeLines(withHeader, [change]), wanted) && sedCommand(file.path, withHeader, [change]);
  if (insert === undefined || insert === false) return undefined;
  const path = shellWord(file.path);
  return `{ grep -qxF '${header}' ${path} || printf '\\n${header}\\n' >> ${path}; } && ${insert}`;
}

function isToml(text: string, wanted: TomlTable): boolean {
  const parsed = parseToml(text);
  // Tables of the parser have no prototype; clones are alike.
  return parsed.ok && isDeepStrictEqual(structuredClone(parsed.table), structuredClone(wanted));
}

function withValue(table: TomlTable, [first = "", ...rest]: readonly string[], value: unknown): TomlTable {
  const inner = table[first];
  return { ...table, [first]: rest.length === 0 ? value : withValue(isTable(inner) ? inner : {}, rest, value) };
}

function without(line: string, name: string): string {
  const escaped = name.replaceAll(".", "\\.");
  return line.replace(new RegExp(`(["'])${escaped}\\1[ \\t]*,?[ \\t]*`, "g"), "");
}

function toToml(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}
