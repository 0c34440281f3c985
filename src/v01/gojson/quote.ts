import { encodeUtf8, splitUtf8 } from "./utf8.js";

/**
 * Prints bytes as Go's `%q` does (strconv.Quote): in double quotes, invalid UTF-8 as `\xNN`, and characters that cannot be printed
 * as `\a` … `\v`, `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
 */
export function quote(bytes: Uint8Array): string {
  const parts = splitUtf8(bytes).map((part) =>
    typeof part === "string" ? part.replace(toEscape, escapeCharacter) : `\\x${hex(part, 2)}`,
  );
  return `"${parts.join("")}"`;
}

/** Prints a text as Go's `%q` does. */
export function quoteText(text: string): string {
  return quote(encodeUtf8(text));
}

/**
 * One byte as Go's JSON syntax errors print it: `'x'`.
 *
 * compat: encoding/json quoteChar takes the byte for a code point, so the first byte of a BOM is `'ï'`; a double quote is bare and
 * a single quote escaped.
 */
export function quoteByte(byte: number): string {
  if (byte === 0x22) return `'"'`;
  const character = String.fromCharCode(byte);
  return character === "'" ? "'\\''" : `'${character.replace(toEscape, escapeCharacter)}'`;
}

// compat: strconv.IsPrint: Go prints letters, marks, numbers, punctuation, symbols and the space U+0020 as they are. Go
// 1.19 escapes characters that are newer than its Unicode tables (13.0); this pattern lets them through.
const toEscape = /["\\]|[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu;

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
};

function escapeCharacter(character: string): string {
  const short = shortEscapes[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
