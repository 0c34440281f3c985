import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { ConfigKey } from "../config/keys.js";

/** Keys that are one path: on a command line it is relative to where it is typed. */
const paths: ReadonlySet<string> = new Set(["socketPath", "confFile", "state.directory"]);

/** The reader of a flag's text, as its key wants it; undefined where the text is the value. */
export function readerOf(key: ConfigKey): ((text: string, before: unknown) => unknown) | undefined {
  if (key.kind === "list") return (text, before) => [before ?? [], parseList(key.path, text)].flat();
  const parse = key.kind === "number" ? parseNumber : paths.has(key.path) ? parsePath : undefined;
  if (!key.nullable || parse === undefined) return parse;
  return (text) => (text === "null" ? text : parse(text));
}

/** What the flags of a key gave: null is a word until here, since commander has a meaning of its own for it. */
export function givenValue({ kind, choices, nullable }: ConfigKey, givens: readonly unknown[]): unknown {
  const given: unknown = kind === "list" ? givens.flat() : givens[0];
  if (nullable && given === "null") return null;
  return Array.isArray(given) && given.length === 1 && choices.includes(given[0]) ? given[0] : given;
}

/** A path that is there: the empty one would be the working directory. */
export function parseFileName(text: string): string {
  if (text === "") throw new InvalidArgumentError("a path is expected, and this is empty.");
  return text;
}

/** Absolute; an address of a socket may be given as Go programs write it. */
function parsePath(text: string): string {
  const path = text.replace(/^unix:(\/\/)?/, "");
  if (/^[a-z]+:\/\//.test(path)) throw new InvalidArgumentError("a path is expected, and this is an address.");
  return resolve(parseFileName(path));
}

/** What commas separate; no entry of a list holds one. A colon, as in PATH, may be part of a directory's name. */
function parseList(path: string, text: string): string[] {
  const entries = text.split(",");
  if (entries.includes("")) throw new InvalidArgumentError("an entry of the list is empty.");
  if (path !== "pluginDirs") return entries;
  if (text.includes(":")) {
    throw new InvalidArgumentError("give the flag once for each directory, or put commas between them.");
  }
  return entries.map((directory) => resolve(directory));
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("a number is expected.");
  return number;
}
