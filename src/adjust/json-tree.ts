import { Decoder } from "../v01/gojson/decoder.js";
import { formatString } from "../v01/gojson/format.js";
import { scanDocument } from "../v01/gojson/scanner.js";
import { encodeUtf8 } from "../v01/gojson/utf8.js";
import { bad, good, type Parsed } from "./parsed.js";

/** A JSON value as the plugin wrote it: numbers as text, an object's keys in their order, repeated keys included. */
export type JsonTree =
  | { readonly kind: "object"; readonly entries: readonly (readonly [key: string, value: JsonTree])[] }
  | { readonly kind: "array"; readonly items: readonly JsonTree[] }
  | { readonly kind: "string" | "number"; readonly text: string }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "null" };

/** The deepest nesting that the bridge reads. No NRI message is nested this deep; the limit protects the stack. */
const maxDepth = 16;

/**
 * Reads a text that holds one JSON value. For invalid JSON the fault has the error text of Go's encoding/json.
 * @param what names the expected value in the fault
 */
export function parseJsonTree(text: string, what: string): Parsed<JsonTree> {
  const bytes = encodeUtf8(text);
  const scan = scanDocument(bytes);
  if (!scan.ok) return bad(`${what} (${scan.reason})`);
  const tree = readTree(new Decoder(bytes, scan.start), maxDepth);
  return tree === undefined ? bad(`${what} (values in more than ${maxDepth} others)`) : good(tree);
}

/** Reads the decoder's next value. Undefined if the value is nested too deep; the decoder then stands behind the value. */
function readTree(decoder: Decoder, depth: number): JsonTree | undefined {
  const kind = decoder.peek();
  if (kind === "string") return { kind, text: decoder.readString() };
  if (kind === "number") return { kind, text: decoder.readNumber() };
  if (kind === "bool") return { kind, value: decoder.readBool() };
  if (kind === "null" || depth === 0) {
    decoder.skip();
    return kind === "null" ? { kind } : undefined;
  }
  const entries: [key: string, value: JsonTree][] = [];
  let isDeep = false;
  const read = (key: string) => {
    const value = readTree(decoder, depth - 1);
    if (value === undefined) isDeep = true;
    else entries.push([key, value]);
  };
  if (kind === "object") decoder.readObject(read);
  else decoder.readArray(() => read(""));
  if (isDeep) return undefined;
  return kind === "object" ? { kind, entries } : { kind, items: entries.map(([, item]) => item) };
}

const kindNames = { object: "an object", array: "a list", string: "a text", number: "a number", bool: "true or false" };

export function describeTree({ kind }: JsonTree): string {
  return kind === "null" ? kind : kindNames[kind];
}

/** A value as error texts and logs show it: a text as it is, anything else as JSON. */
export function showTree(tree: JsonTree): string {
  return tree.kind === "string" ? tree.text : toJson(tree);
}

function toJson(tree: JsonTree): string {
  if (tree.kind === "object") {
    return `{${tree.entries.map(([key, value]) => `${formatString(key)}:${toJson(value)}`).join(",")}}`;
  }
  if (tree.kind === "array") return `[${tree.items.map(toJson).join(",")}]`;
  if (tree.kind === "string") return formatString(tree.text);
  if (tree.kind === "number") return tree.text;
  return tree.kind === "bool" ? String(tree.value) : tree.kind;
}
