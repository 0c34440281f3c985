import { encodeUtf8, runeAt, runeSize } from "./utf8.js";

/**
 * Bytes as Go's `%q` prints them (strconv.Quote): in double quotes, invalid UTF-8 as `\xNN`, what cannot be printed as
 * `\a` … `\v`, `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
 */
export function quote(bytes: Uint8Array): string {
  const parts: string[] = ['"'];
  let at = 0;
  while (at < bytes.length) {
    const size = runeSize(bytes, at);
    parts.push(size === 0 ? `\\x${hex(bytes[at] ?? 0, 2)}` : quoteRune(runeAt(bytes, at, size), '"'));
    at += size || 1;
  }
  parts.push('"');
  return parts.join("");
}

/** A text as Go's `%q` prints it. */
export function quoteText(text: string): string {
  return quote(encodeUtf8(text));
}

/**
 * One byte as a JSON syntax error names it: `'x'`.
 *
 * compat: encoding/json quoteChar takes the byte for a code point, so the first byte of a BOM is `'ï'`; a double quote
 * is bare and a single quote escaped.
 */
export function quoteByte(byte: number): string {
  return byte === doubleQuote ? `'"'` : `'${quoteRune(byte, "'")}'`;
}

const doubleQuote = 0x22;
const backslash = 0x5c;

const shortEscapes: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
};

// compat: strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the one space U+0020. Characters younger
// than the Unicode tables of Go 1.19 (13.0) are escaped there and printed here.
const printable = /^[ \p{L}\p{M}\p{N}\p{P}\p{S}]$/u;

function quoteRune(rune: number, quoteMark: string): string {
  if (rune === backslash || rune === quoteMark.charCodeAt(0)) return `\\${String.fromCharCode(rune)}`;
  if (rune >= 0x20 && rune < 0x7f) return String.fromCharCode(rune);
  const short = shortEscapes[rune];
  if (short !== undefined) return short;
  if (rune < 0x20 || rune === 0x7f) return `\\x${hex(rune, 2)}`;
  const character = String.fromCodePoint(rune);
  if (printable.test(character)) return character;
  return rune < 0x10000 ? `\\u${hex(rune, 4)}` : `\\U${hex(rune, 8)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
