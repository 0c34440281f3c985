/**
 * Decodes UTF-8 as Go does: each byte that begins no valid sequence becomes one U+FFFD, where the web's TextDecoder may turn
 * several bytes into one.
 */

/** The text of UTF-8 bytes, with each invalid byte as one U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return splitUtf8(bytes)
      .map((part) => (typeof part === "string" ? part : "\ufffd"))
      .join("");
  }
}

/** The text of bytes that are all ASCII; for short texts much faster than a TextDecoder. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.prototype.latin1Slice.call(bytes, start, end);
}

export function encodeUtf8(text: string): Uint8Array {
  return utf8.encode(text);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** Splits bytes into the texts that are valid UTF-8 and, between them, the invalid bytes as numbers. */
export function splitUtf8(bytes: Uint8Array): readonly (string | number)[] {
  const parts: (string | number)[] = [];
  let from = 0;
  const endText = (end: number) => {
    if (from < end) parts.push(strictUtf8.decode(bytes.subarray(from, end)));
  };
  for (let at = 0; at < bytes.length; ) {
    const size = runeSize(bytes, at);
    if (size === 0) {
      endText(at);
      parts.push(bytes[at] ?? 0);
      from = at + 1;
    }
    at += size || 1;
  }
  endText(bytes.length);
  return parts;
}

/** The size in bytes, 1 to 4, of the UTF-8 sequence at `at`; 0 when no valid sequence begins there. */
function runeSize(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (!isWithin(bytes[at + 1], secondByteMin(first), secondByteMax(first))) return 0;
  if (first < 0xe0) return 2;
  if (!isWithin(bytes[at + 2], 0x80, 0xbf)) return 0;
  if (first < 0xf0) return 3;
  return isWithin(bytes[at + 3], 0x80, 0xbf) ? 4 : 0;
}

function isWithin(byte: number | undefined, min: number, max: number): boolean {
  return byte !== undefined && byte >= min && byte <= max;
}

// The range of a sequence's second byte, by its first: UTF-8 excludes overlong forms (E0, F0), surrogates (ED), and code points
// above U+10FFFF (F4).
function secondByteMin(first: number): number {
  return first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
}

function secondByteMax(first: number): number {
  return first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
}

/** A position in a text as an editor shows it: line and column, both from 1; the column counts characters. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** The position of the byte at `offset`. */
export function positionOf(bytes: Uint8Array, offset: number): Position {
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < offset && i < bytes.length; i++) {
    if (bytes[i] !== 0x0a) continue;
    line++;
    lineStart = i + 1;
  }
  return { line, column: [...decodeUtf8(bytes.subarray(lineStart, offset))].length + 1 };
}
