import type { Asks } from "./asks.js";
import type { JsonTree } from "./json-tree.js";
import { readMap, scalarText, showTree } from "./tree-reader.js";

export type Reader = (tree: JsonTree, path: string) => void;

/** Reads a value that has a text form: the key's own parser takes it. */
export function readScalar(asks: Asks, key: string, kind: "number" | "string" | "bool"): Reader {
  return (tree, path) => {
    const text = scalarText(tree, kind);
    if (text.ok) asks.add({ label: path, key, value: text.value });
    else asks.fault(path, showTree(tree), text);
  };
}

/** Reads a map of texts, each the value of the key of its name. */
export function readTexts(asks: Asks, family: string): Reader {
  return (tree, path) =>
    readMap(tree, path, asks.onFault, (name, value, at) => readScalar(asks, `${family}.${name}`, "string")(value, at));
}
