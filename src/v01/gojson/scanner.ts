import { byteOf, cut, type Fault, fault, isSpace, scanLiteral, scanString } from "./literals.js";

/** The range `[start, end)` of one JSON value in its bytes, without the white space around the value. */
export interface Extent {
  readonly ok: true;
  readonly start: number;
  readonly end: number;
  /** The end of each object and array of the outermost levels, by the offset of its start, so that the decoder can skip them. */
  readonly ends: ReadonlyMap<number, number>;
}

/**
 * The scanner records the end of each object and array that lies within at most this many others: enough to skip `linux.seccomp`,
 * which is most of a bundle.
 */
const passedOver = 2;

/**
 * Checks that the bytes are exactly one JSON value, as Go's json.Unmarshal does; `reason` is Go's error text.
 *
 * compat: Go appends a space to the text to see whether a literal is complete. A cut `nul` is therefore "invalid character ' ' in
 * literal null (expecting 'l')", and only a text that could go on is an "unexpected end".
 */
export function scanDocument(bytes: Uint8Array): Extent | Fault {
  const scan = scanValue(bytes, 0);
  if (!scan.ok) return scan;
  const after = skipSpace(bytes, scan.end);
  return after < bytes.length ? fault(bytes, after, "after top-level value") : scan;
}

/**
 * Finds the first JSON value, as Go's json.Decoder does, and ignores what comes after it.
 *
 * compat: the error is "EOF" when there is no value at all, and "unexpected EOF" when the value is cut off, whatever is missing.
 */
export function scanFirstValue(bytes: Uint8Array): Extent | Fault {
  const scan = scanValue(bytes, 0);
  if (scan.ok || scan.offset < bytes.length) return scan;
  const blank = skipSpace(bytes, 0) === bytes.length;
  return { ok: false, reason: blank ? "EOF" : "unexpected EOF", offset: scan.offset };
}

/** The offset of the first byte at or after `at` that is no white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let i = at;
  while (isSpace(bytes[i])) i++;
  return i;
}

const maxDepth = 10_000; // encoding/json maxNestingDepth

/** Scans one value without recursion: `open` holds the closing bytes of the objects and arrays around the current position. */
export function scanValue(bytes: Uint8Array, from: number): Extent | Fault {
  const open: number[] = [];
  const begun: number[] = [];
  const ends = new Map<number, number>();
  const start = skipSpace(bytes, from);
  let at = start;
  for (;;) {
    // Here a value begins.
    at = skipSpace(bytes, at);
    const first = bytes[at];
    if (first === undefined) return cut(bytes);
    if (first === byteOf.openBrace || first === byteOf.openBracket) {
      const close = first === byteOf.openBrace ? byteOf.closeBrace : byteOf.closeBracket;
      begun.push(at);
      if (open.push(close) > maxDepth) return fault(bytes, at, "exceeded max depth");
      at = skipSpace(bytes, at + 1);
      if (bytes[at] !== close) {
        const value = scanToValue(bytes, at, close);
        if (typeof value !== "number") return value;
        at = value;
        continue;
      }
      // The code below closes an empty object or array as it closes others.
    } else {
      const end = scanLiteral(bytes, at, first);
      if (typeof end !== "number") return end;
      at = end;
    }

    // Here a value has ended: close the objects and arrays that end too, until another value follows.
    for (;;) {
      const close = open.at(-1);
      if (close === undefined) return { ok: true, start, end: at, ends };
      at = skipSpace(bytes, at);
      const next = bytes[at];
      if (next === undefined) return cut(bytes);
      if (next === byteOf.comma) {
        const value = scanToValue(bytes, at + 1, close);
        if (typeof value !== "number") return value;
        at = value;
        break;
      }
      if (next !== close) {
        const after = close === byteOf.closeBrace ? "object key:value pair" : "array element";
        return fault(bytes, at, `after ${after}`);
      }
      open.pop();
      at++;
      const from = begun.pop();
      if (open.length <= passedOver && from !== undefined) ends.set(from, at);
    }
  }
}

/** The offset where the next value of an object or array may begin: in an object, after `"key" :`. */
function scanToValue(bytes: Uint8Array, from: number, close: number): number | Fault {
  if (close === byteOf.closeBracket) return from;
  const at = skipSpace(bytes, from);
  if (at >= bytes.length) return cut(bytes);
  if (bytes[at] !== byteOf.quote) return fault(bytes, at, "looking for beginning of object key string");
  const end = scanString(bytes, at + 1);
  if (typeof end !== "number") return end;
  const colon = skipSpace(bytes, end);
  if (colon >= bytes.length) return cut(bytes);
  return bytes[colon] === byteOf.colon ? colon + 1 : fault(bytes, colon, "after object key");
}
