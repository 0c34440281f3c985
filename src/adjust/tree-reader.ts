import { formatString } from "../v01/gojson/format.js";
import { describeTree, type JsonTree } from "./json-tree.js";
import { bad, type Fault, good, type Parsed, suggest } from "./parsed.js";

/** How to read each key of an object. */
export type Readers = Readonly<Record<string, (value: JsonTree, path: string) => void>>;

/** Says that the value at a path is not what was expected. */
export type OnFault = (path: string, shown: string, fault: Fault) => void;

/**
 * Reads an object key by key. Names count as OCI or NRI spells them: letter case and underscores make no difference, as
 * v0.1 itself reads keys in any letter case. An unknown key, one that stands twice and null are faults.
 */
export function readObject(tree: JsonTree, path: string, readers: Readers, onFault: OnFault): void {
  const names = new Map(Object.keys(readers).map((name) => [fold(name), name]));
  const seen = new Set<string>();
  for (const [key, value, at] of entriesOf(tree, path, onFault)) {
    const name = names.get(fold(key));
    if (name === undefined) {
      const remedy = suggest(key, Object.keys(readers), "leave it out");
      onFault(at, showTree(value), bad(`one of ${Object.keys(readers).join(", ")}`, remedy));
    } else if (seen.has(name)) {
      onFault(at, showTree(value), bad("each key once"));
    } else {
      seen.add(name);
      readers[name]?.(value, at);
    }
  }
}

/** Reads a map from names to values; a name that stands twice is a fault. */
export function readMap(
  tree: JsonTree,
  path: string,
  onFault: OnFault,
  read: (name: string, value: JsonTree, path: string) => void,
): void {
  const seen = new Set<string>();
  for (const [name, value, at] of entriesOf(tree, path, onFault)) {
    if (seen.has(name)) onFault(at, showTree(value), bad("each key once"));
    else read(name, value, at);
    seen.add(name);
  }
}

export function readList(
  tree: JsonTree,
  path: string,
  onFault: OnFault,
  read: (item: JsonTree, path: string) => void,
): void {
  if (tree.kind !== "array") onFault(path, showTree(tree), bad(`a list, not ${describeTree(tree)}`));
  else for (const [index, item] of tree.items.entries()) read(item, `${path}[${index}]`);
}

export function textOf(tree: JsonTree): Parsed<string> {
  return tree.kind === "string" ? good(tree.text) : bad(`a text in quotes, not ${describeTree(tree)}`);
}

export function textsOf(tree: JsonTree): Parsed<string[]> {
  if (tree.kind !== "array") return bad(`a list of texts, not ${describeTree(tree)}`);
  const texts = tree.items.flatMap((item) => (item.kind === "string" ? [item.text] : []));
  return texts.length === tree.items.length ? good(texts) : bad("a list of texts alone");
}

/** The spelling of a scalar of the given kind, as the text of a metadata key would have it. */
export function scalarText(tree: JsonTree, kind: "number" | "string" | "bool"): Parsed<string> {
  if (kind === "bool" && tree.kind === "bool") return good(String(tree.value));
  if (kind === "number" && tree.kind === "number") return good(tree.text);
  if (kind === "string" && tree.kind === "string") return good(tree.text);
  const wanted = {
    number: "a number without quotes",
    string: "a text in quotes",
    bool: "true or false, without quotes",
  };
  return bad(`${wanted[kind]}, not ${describeTree(tree)}`);
}

/** A value as error texts and logs show it: a text as it is, anything else as JSON. */
export function showTree(tree: JsonTree): string {
  return tree.kind === "string" ? tree.text : toJson(tree);
}

function toJson(tree: JsonTree): string {
  switch (tree.kind) {
    case "object":
      return `{${tree.entries.map(([key, value]) => `${formatString(key)}:${toJson(value)}`).join(",")}}`;
    case "array":
      return `[${tree.items.map(toJson).join(",")}]`;
    case "string":
      return formatString(tree.text);
    case "number":
      return tree.text;
    case "bool":
      return String(tree.value);
    case "null":
      return "null";
  }
}

function entriesOf(tree: JsonTree, path: string, onFault: OnFault): [key: string, value: JsonTree, path: string][] {
  if (tree.kind !== "object") {
    onFault(path, showTree(tree), bad(`an object, not ${describeTree(tree)}`));
    return [];
  }
  return tree.entries.map(([key, value]) => [key, value, `${path}.${key}`]);
}

function fold(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}
