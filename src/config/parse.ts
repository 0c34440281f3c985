import { type Document, isMap, isNode, isScalar, Lexer, LineCounter, Parser, parseDocument } from "yaml";
import type { core } from "zod/mini";
import { BridgeError, errorText, excerpt } from "../base/errors.js";
import { nearestHint } from "../base/nearest.js";
import { pluginSettings } from "./merge.js";
import { defaultConfig, extraEvents, type PartialConfig, partialConfigSchema } from "./schema.js";

export interface ParsedConfig {
  readonly settings: PartialConfig;
  /**
   * The line of the key at `path`, or of the nearest parent key that the text has; undefined when the text does not have the first
   * key of `path`.
   */
  readonly lineOf: (path: readonly string[]) => number | undefined;
}

/** Parses the settings of a configuration text. @throws BridgeError CONFIG when the text is invalid, as parseConfigLines does */
export function parseConfig(text: string, source: string): PartialConfig {
  return parseConfigLines(text, source).settings;
}

/**
 * Parses a configuration text strictly: an unknown key or a wrong type is a fault, reported with source, line, column, and what was
 * expected.
 * @throws BridgeError CONFIG when the text has a fault; the message lists up to `mostFaults` of them
 */
export function parseConfigLines(text: string, source: string): ParsedConfig {
  refuseTooDeep(text, source);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${source}:${line}:${col}`;
  };
  const [syntax] = document.errors;
  if (syntax !== undefined) throw new BridgeError("CONFIG", `${at(syntax.pos[0])}: ${excerpt(syntax.message)}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    // toJS throws for an alias without its anchor, where the parser does not check aliases, and for too many aliases.
    throw new BridgeError("CONFIG", `${source}: ${errorText(error)}`);
  }
  const settings = validate(value, (path, ofKey) => at(offsetIn(document, path, ofKey)));
  return {
    settings,
    lineOf: (path) =>
      document.hasIn(path.slice(0, 1)) ? lines.linePos(offsetIn(document, path, true)).line : undefined,
  };
}

const maxDepth = 100; // A configuration has six levels.

/**
 * Refuses deeply nested texts. The YAML parser recurses for each level, and V8 ends the whole process when the stack overflows
 * within a regular expression.
 */
function refuseTooDeep(text: string, source: string): void {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length <= maxDepth) continue;
    const { line, col } = lines.linePos(parser.offset);
    throw new BridgeError("CONFIG", `${source}:${line}:${col}: values are nested more than ${maxDepth} deep`);
  }
}

/**
 * Validates a value that is not YAML text, such as the settings from the flags.
 * @throws BridgeError CONFIG when a setting is invalid
 */
export function parseConfigValue(value: unknown, source: string): PartialConfig {
  return validate(value, () => source);
}

const mostFaults = 20; // With more it is no configuration with mistakes, but some other file.
type Locate = (path: readonly PropertyKey[], ofKey: boolean) => string;

function validate(value: unknown, locate: Locate): PartialConfig {
  const parsed = partialConfigSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.flatMap((issue) => describeIssue(issue, value, locate));
  const more = faults.length > mostFaults ? [`and ${faults.length - mostFaults} more faults`] : [];
  throw new BridgeError("CONFIG", [...faults.slice(0, mostFaults), ...more].join("\n"));
}

/** The offset in the text of the key at `path` (`ofKey`) or of its value, or else of the nearest parent that the text has. */
function offsetIn(document: Document, path: readonly PropertyKey[], ofKey: boolean): number {
  const nodeAt = (place: readonly PropertyKey[]): unknown =>
    place.length === 0 ? document.contents : document.getIn(place, true);
  const parent = nodeAt(path.slice(0, -1));
  if (ofKey && isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === path.at(-1));
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  const node = nodeAt(path);
  if (isNode(node) && node.range) return node.range[0];
  return path.length === 0 ? 0 : offsetIn(document, path.slice(0, -1), ofKey);
}

function describeIssue(issue: core.$ZodIssue, root: unknown, locate: Locate): readonly string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const path = [...issue.path, key];
      const fault = `${locate(path, true)}: unknown key "${excerpt(path.join("."))}"`;
      const { keys, only } = knownKeys(issue.path);
      const hint = only ? `expected ${keys.join(" or ")}` : nearestHint(key, keys, "");
      return [fault, hint].filter(Boolean).join("; ");
    });
  }
  return [`${locate(issue.path, issue.code === "invalid_key")}: ${describeFault(issue, root)}`];
}

/** The keys that the schema knows at a path. `only`: the error lists all of these, since a hint at the nearest one is of no use. */
function knownKeys(path: readonly PropertyKey[]): { readonly keys: readonly string[]; readonly only: boolean } {
  const ofPlugin = path[0] === "plugins";
  if (ofPlugin && path[2] === "events") return { keys: extraEvents.options, only: true };
  const [root, at] = ofPlugin ? [pluginSettings(defaultConfig, ""), path.slice(2)] : [defaultConfig, path];
  return { keys: Object.keys(Object(valueAt(root, at))), only: false };
}

/** The value at a path; undefined when there is none. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value: unknown, key) => Reflect.get(Object(value), key), root);
}

/** Describes one fault: the key, its value, and what was expected. */
export function describeFault(issue: core.$ZodIssue, root: unknown): string {
  if (issue.code === "invalid_key") {
    const [fault] = issue.issues;
    const expected = fault === undefined ? "another" : describeExpected(fault);
    return `"${excerpt(issue.path.slice(0, -1).join("."))}" has the key ${describeValue(issue.path.at(-1))}, expected ${expected}`;
  }
  const name = issue.path.length === 0 ? "the document" : `"${excerpt(issue.path.map(String).join("."))}"`;
  // A variable that the configuration sets for plugins may hold a secret, so the message leaves out its value.
  const isHidden = issue.path.slice(-3, -1).join(".") === "environment.set";
  const value = isHidden ? "another value" : describeValue(valueAt(root, issue.path));
  return `${name} is ${value}, expected ${describeExpected(issue)}`;
}

const kinds: Readonly<Record<string, string>> = {
  record: "a mapping",
  object: "a mapping",
  array: "a list",
  int: "a whole number",
  string: "text (in quotes where it looks like a number)",
};

function describeExpected(issue: core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return kinds[issue.expected] ?? `a ${issue.expected}`;
    case "invalid_value":
      return issue.values.map(String).join(" or ");
    case "too_small":
      return `at least ${issue.minimum}${issue.origin === "array" ? " entry" : ""}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    case "invalid_union":
      return "all, or a list of names";
    default:
      return issue.message;
  }
}

function describeValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  return excerpt(JSON.stringify(value));
}
