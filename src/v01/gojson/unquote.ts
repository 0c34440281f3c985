import { byteOf, closingQuote } from "./literals.js";
import { asciiText, decodeUtf8 } from "./utf8.js";

/** The offset behind the closing quote of the string whose opening quote is at `open`. It must have been scanned. */
export function quotedEnd(bytes: Uint8Array, open: number): number {
  for (let at = open + 1; at < open + shortString; at++) {
    const byte = bytes[at];
    if (byte === byteOf.quote || byte === undefined) return at + 1;
    if (byte === byteOf.backslash) break;
  }
  return (closingQuote(bytes, open + 1) ?? bytes.length) + 1;
}

/** Up to here, byte by byte is faster than the engine's own search. */
const shortString = 32;

/**
 * The text of a scanned string, given its bytes between the quotes.
 *
 * compat: encoding/json unquote: an invalid byte is one U+FFFD, and so is each `\u` escape of a lone surrogate.
 */
export function unquote(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= shortString) {
    let at = start;
    while (at < end && isPlain(bytes[at] ?? 0)) at++;
    if (at === end) return asciiText(bytes, start, end);
  }
  const text = decodeUtf8(bytes.subarray(start, end));
  if (!text.includes("\\")) return text;
  const unescaped: unknown = JSON.parse(`"${text}"`);
  return String(unescaped).replace(loneSurrogate, "\ufffd");
}

/** ASCII, and no escape: as nearly all of it is. */
function isPlain(byte: number): boolean {
  return byte < 0x80 && byte !== byteOf.backslash;
}

// With the u flag only a half of a pair that stands alone matches.
const loneSurrogate = /\p{Cs}/gu;
