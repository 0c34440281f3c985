import { quoteByte } from "./quote.js";

/** A fault of a JSON text, in the words of Go's encoding/json, with the offset of the faulty byte. */
export interface Fault {
  readonly ok: false;
  readonly reason: string;
  readonly offset: number;
}

/** The bytes that JSON's grammar names. */
export const byteOf = {
  tab: 0x09,
  newline: 0x0a,
  carriageReturn: 0x0d,
  space: 0x20,
  quote: 0x22,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  dot: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  upperE: 0x45,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  e: 0x65,
  f: 0x66,
  n: 0x6e,
  t: 0x74,
  u: 0x75,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/** Scans a string, a number or a word (true, false, null); returns the offset after it, or its fault. */
export function scanLiteral(bytes: Uint8Array, at: number, first: number): number | Fault {
  if (first === byteOf.quote) return scanString(bytes, at + 1);
  if (first === byteOf.minus || isDigit(first)) return scanNumber(bytes, at, first);
  if (first === byteOf.t) return scanWord(bytes, at, "true");
  if (first === byteOf.f) return scanWord(bytes, at, "false");
  if (first === byteOf.n) return scanWord(bytes, at, "null");
  return fault(bytes, at, "looking for beginning of value");
}

function scanWord(bytes: Uint8Array, at: number, word: string): number | Fault {
  for (let i = 1; i < word.length; i++) {
    if (byteAt(bytes, at + i) !== word.charCodeAt(i)) {
      return fault(bytes, at + i, `in literal ${word} (expecting '${word.charAt(i)}')`);
    }
  }
  return at + word.length;
}

/** In bytes: from this length on, the scanner uses the engine's native search, a hundred times as fast as a loop over bytes. */
const longString = 32;

/** Scans a string from after its opening quote; returns the offset after its closing quote, or its fault. */
export function scanString(bytes: Uint8Array, from: number): number | Fault {
  let at = from;
  let isLong = false;
  for (;;) {
    if (at - from > longString && !isLong) {
      const end = closingQuote(bytes, at);
      if (end !== undefined && isSound(bytes, at, end)) return end + 1;
      // The string has a fault or no end: the loop below finds the exact byte.
      isLong = true;
    }
    const byte = bytes[at];
    if (byte === undefined) return cut(bytes);
    if (byte === byteOf.quote) return at + 1;
    if (byte < byteOf.space) return fault(bytes, at, "in string literal");
    at++;
    if (byte !== byteOf.backslash) continue;
    const escaped = byteAt(bytes, at);
    if (!escapes.has(escaped)) return fault(bytes, at, "in string escape code");
    at++;
    if (escaped !== byteOf.u) continue;
    for (const end = at + 4; at < end; at++) {
      if (!isHexDigit(byteAt(bytes, at))) return fault(bytes, at, "in \\u hexadecimal character escape");
    }
  }
}

/** The offset of the next quote that no backslash escapes; undefined when there is none. `at` must be within a string. */
export function closingQuote(bytes: Uint8Array, at: number): number | undefined {
  let from = at;
  for (;;) {
    const end = bytes.indexOf(byteOf.quote, from);
    if (end < 0) return undefined;
    let backslashes = 0;
    while (end - backslashes > from && bytes[end - backslashes - 1] === byteOf.backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end;
    // A string with one escaped quote usually has more, and a native search for each is slower than a loop over the bytes.
    from = end + 1;
    for (const near = from + longString; from < near; ) {
      const byte = bytes[from];
      if (byte === byteOf.quote) return from;
      from += byte === byteOf.backslash ? 2 : 1;
    }
  }
}

/** Whether the inside of a string follows JSON's grammar; the function does not check the UTF-8. */
function isSound(bytes: Uint8Array, start: number, end: number): boolean {
  const text = Buffer.prototype.latin1Slice.call(bytes, start, end);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what no string may have as it is
  if (!/[\\\x00-\x1f]/.test(text)) return true;
  try {
    JSON.parse(`"${text}"`);
    return true;
  } catch {
    return false;
  }
}

const escapes: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrtu'));

function scanNumber(bytes: Uint8Array, from: number, first: number): number | Fault {
  let at = from;
  if (first === byteOf.minus) {
    at++;
    if (!isDigit(byteAt(bytes, at))) return fault(bytes, at, "in numeric literal");
  }
  at = bytes[at] === byteOf.zero ? at + 1 : skipDigits(bytes, at);
  if (bytes[at] === byteOf.dot) {
    at++;
    if (!isDigit(byteAt(bytes, at))) return fault(bytes, at, "after decimal point in numeric literal");
    at = skipDigits(bytes, at);
  }
  if (bytes[at] === byteOf.e || bytes[at] === byteOf.upperE) {
    at++;
    if (bytes[at] === byteOf.plus || bytes[at] === byteOf.minus) at++;
    if (!isDigit(byteAt(bytes, at))) return fault(bytes, at, "in exponent of numeric literal");
    at = skipDigits(bytes, at);
  }
  return at;
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(byteAt(bytes, at))) at++;
  return at;
}

export function isSpace(byte: number | undefined): boolean {
  return byte === byteOf.space || byte === byteOf.newline || byte === byteOf.carriageReturn || byte === byteOf.tab;
}

function isDigit(byte: number): boolean {
  return byte >= byteOf.zero && byte <= byteOf.nine;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
}

/** The byte at `at`; a space after the end of the text, as in Go. */
function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? byteOf.space;
}

export function fault(bytes: Uint8Array, at: number, context: string): Fault {
  return { ok: false, reason: `invalid character ${quoteByte(byteAt(bytes, at))} ${context}`, offset: at };
}

export function cut(bytes: Uint8Array): Fault {
  return { ok: false, reason: "unexpected end of JSON input", offset: bytes.length };
}
