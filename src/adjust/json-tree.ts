import { Decoder } from "../v01/gojson/decoder.js";
import { scanDocument } from "../v01/gojson/scanner.js";
import { encodeUtf8 } from "../v01/gojson/utf8.js";

/** A JSON value as it was written: numbers as text, the keys of an object in order, double ones too. */
export type JsonTree =
  | { readonly kind: "object"; readonly entries: readonly (readonly [key: string, value: JsonTree])[] }
  | { readonly kind: "array"; readonly items: readonly JsonTree[] }
  | { readonly kind: "string" | "number"; readonly text: string }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "null" };

/** Deeper than any shape that is read here; what it guards is the stack. */
const maxDepth = 16;

/** Reads a text that holds one JSON value; a reason in the words of Go's encoding/json when it does not. */
export function parseJsonTree(
  text: string,
): { readonly ok: true; readonly tree: JsonTree } | { readonly ok: false; readonly reason: string } {
  const bytes = encodeUtf8(text);
  const scan = scanDocument(bytes);
  if (!scan.ok) return { ok: false, reason: scan.reason };
  const tree = readTree(new Decoder(bytes, scan.start), maxDepth);
  return tree === undefined ? { ok: false, reason: `values in more than ${maxDepth} others` } : { ok: true, tree };
}

function readTree(decoder: Decoder, depth: number): JsonTree | undefined {
  const kind = decoder.peek();
  switch (kind) {
    case "object":
    case "array":
      return depth === 0 ? undefined : readContainer(decoder, kind, depth - 1);
    case "string":
      return { kind, text: decoder.readString() };
    case "number":
      return { kind, text: decoder.readNumber() };
    case "bool":
      return { kind, value: decoder.readBool() };
    case "null":
      decoder.skip();
      return { kind };
  }
}

function readContainer(decoder: Decoder, kind: "object" | "array", depth: number): JsonTree | undefined {
  const keys: string[] = [];
  const values: JsonTree[] = [];
  let deep = false;
  const read = () => {
    if (depth === 0 && (decoder.peek() === "object" || decoder.peek() === "array")) {
      decoder.skip();
      deep = true;
      return;
    }
    const value = readTree(decoder, depth);
    if (value === undefined) deep = true;
    else values.push(value);
  };
  if (kind === "array") decoder.readArray(read);
  else {
    decoder.readObject((key) => {
      keys.push(key);
      read();
    });
  }
  if (deep) return undefined;
  if (kind === "array") return { kind, items: values };
  return { kind, entries: values.map((value, at) => [keys[at] ?? "", value] as const) };
}

/** What a value is, for people. */
export function describeTree(tree: JsonTree): string {
  switch (tree.kind) {
    case "object":
      return "an object";
    case "array":
      return "a list";
    case "string":
      return "a text";
    case "number":
      return "a number";
    case "bool":
      return "true or false";
    case "null":
      return "null";
  }
}
