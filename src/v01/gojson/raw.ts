import { byteOf, isSpace } from "./literals.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";

/** A JSON value as the text that goes into a request: without white space, and with `<` `>` `&` escaped as in Go. */
export type RawJson = string & { readonly rawJson: unique symbol };

/**
 * The value in `[start, end)` as Go writes a json.RawMessage: white space between tokens removed; `<` `>` `&` U+2028 and U+2029
 * escaped; number spellings, escapes, key order and duplicate keys kept. The scanner must have accepted the value.
 *
 * compat: Go passes invalid UTF-8 inside a RawMessage through; here each invalid byte becomes U+FFFD.
 */
export function compact(bytes: Uint8Array, start: number, end: number): RawJson {
  const text = decodeUtf8(withoutSpace(bytes, start, end));
  // The only type cast of the JSON code: the brand of RawJson exists only at compile time.
  return text.replace(/[<>&\u2028\u2029]/g, escapeCharacter) as RawJson;
}

/** Converts the output of JSON.stringify to the form of a RawJson. */
export function toRawJson(text: string): RawJson {
  const bytes = encodeUtf8(text);
  return compact(bytes, 0, bytes.length);
}

// These characters occur only inside strings: the scanner accepts none of them between tokens.
function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function withoutSpace(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const kept = new Uint8Array(end - start);
  let length = 0;
  let inString = false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (!inString && isSpace(byte)) continue;
    kept[length++] = byte;
    if (byte === byteOf.quote) inString = !inString;
    else if (inString && byte === byteOf.backslash) kept[length++] = bytes[++at] ?? 0;
  }
  return kept.subarray(0, length);
}
