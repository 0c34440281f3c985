import { byteOf } from "./literals.js";
import { asciiText, decodeUtf8 } from "./utf8.js";

/** The offset behind the closing quote of the string whose opening quote is at `open`. It must have been scanned. */
export function quotedEnd(bytes: Uint8Array, open: number): number {
  let at = open + 1;
  for (;;) {
    const byte = bytes[at++];
    if (byte === byteOf.quote || byte === undefined) return at;
    if (byte === byteOf.backslash) at++;
  }
}

/**
 * The text of a scanned string, given its bytes between the quotes.
 *
 * compat: encoding/json unquote: an invalid byte is one U+FFFD, and so is each `\u` escape of a lone surrogate.
 */
export function unquote(bytes: Uint8Array, start: number, end: number): string {
  let at = start;
  while (at < end && isPlain(bytes[at] ?? 0)) at++;
  if (at === end) return asciiText(bytes, start, end);
  const parts: string[] = [];
  let plainFrom = start;
  while (at < end) {
    if (bytes[at] !== byteOf.backslash) {
      at++;
      continue;
    }
    if (plainFrom < at) parts.push(decodeUtf8(bytes.subarray(plainFrom, at)));
    const letter = bytes[at + 1] ?? 0;
    if (letter === byteOf.u) {
      parts.push(String.fromCharCode(hexAt(bytes, at + 2)));
      at += 6;
    } else {
      parts.push(escaped[letter] ?? "");
      at += 2;
    }
    plainFrom = at;
  }
  if (plainFrom < end) parts.push(decodeUtf8(bytes.subarray(plainFrom, end)));
  return parts.join("").replace(loneSurrogate, "\ufffd");
}

/** ASCII, and no escape: as nearly all of it is. */
function isPlain(byte: number): boolean {
  return byte < 0x80 && byte !== byteOf.backslash;
}

// The halves of a pair stand together after the join; with the u flag only a lone one matches.
const loneSurrogate = /\p{Cs}/gu;

const escaped: Readonly<Record<number, string>> = {
  [byteOf.quote]: '"',
  [byteOf.backslash]: "\\",
  [byteOf.slash]: "/",
  [byteOf.b]: "\b",
  [byteOf.f]: "\f",
  [byteOf.n]: "\n",
  [byteOf.r]: "\r",
  [byteOf.t]: "\t",
};

function hexAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const byte = bytes[i] ?? 0;
    value = value * 16 + (byte <= byteOf.nine ? byte - byteOf.zero : (byte | 0x20) - 0x61 + 10);
  }
  return value;
}
