import { byteOf, closingQuote, type Fault } from "./literals.js";
import { type Extent, scanValue, skipSpace } from "./scanner.js";
import { asciiText, decodeUtf8 } from "./utf8.js";

/** The kind of a JSON value, in the words of Go's type errors. */
export type Kind = "object" | "array" | "string" | "number" | "bool" | "null";

const kinds: ReadonlyMap<number | undefined, Kind> = new Map([
  [byteOf.openBrace, "object"],
  [byteOf.openBracket, "array"],
  [byteOf.quote, "string"],
  [byteOf.t, "bool"],
  [byteOf.f, "bool"],
  [byteOf.n, "null"],
]);

/**
 * Walks through a JSON value that the scanner has accepted, for the codecs. Like Go, the decoder records the first type error and
 * goes on: it stores values of the right type and skips the others.
 */
export class Decoder {
  /** The error for the first value of a wrong type; undefined while there is none. */
  typeFault: Fault | undefined;
  #at: number;
  readonly #bytes: Uint8Array;
  readonly #ends: Extent["ends"] | undefined;
  /** The Go struct whose field the decoder reads now; `#path` has the keys that lead to the current value. */
  #struct = "";
  readonly #path: string[] = [];

  /** @param at the offset in `bytes` of a value that the scanner has accepted */
  constructor(bytes: Uint8Array, at: number, ends?: Extent["ends"]) {
    this.#bytes = bytes;
    this.#at = at;
    this.#ends = ends;
  }

  peek(): Kind {
    this.#skipSpace();
    return kinds.get(this.#bytes[this.#at]) ?? "number";
  }

  readString(): string {
    const start = this.#at;
    this.#at = quotedEnd(this.#bytes, start);
    return unquote(this.#bytes, start + 1, this.#at - 1);
  }

  readBool(): boolean {
    const isTrue = this.#bytes[this.#at] === byteOf.t;
    this.skip();
    return isTrue;
  }

  /** Reads a number and returns its spelling. */
  readNumber(): string {
    const start = this.#at;
    this.skip();
    return decodeUtf8(this.#bytes.subarray(start, this.#at));
  }

  /** Skips a value and returns where it lies. */
  readExtent(): { readonly bytes: Uint8Array; readonly start: number; readonly end: number } {
    this.#skipSpace();
    const start = this.#at;
    this.skip();
    return { bytes: this.#bytes, start, end: this.#at };
  }

  /** Reads an object: `readValue` must read or skip the value of each key. */
  readObject(readValue: (key: string) => void): void {
    this.#at++;
    while (this.#moreOf(byteOf.closeBrace)) {
      const key = this.readString();
      this.#skipSpace();
      this.#at++; // the colon
      readValue(key);
    }
  }

  /** Reads an array: `readElement` must read or skip each element. */
  readArray(readElement: (index: number) => void): void {
    this.#at++;
    for (let index = 0; this.#moreOf(byteOf.closeBracket); index++) readElement(index);
  }

  /** Calls `read` for a struct's field, so that type errors within it name the struct and the key. */
  inField(struct: string, key: string, read: () => void): void {
    const outer = this.#struct;
    this.#struct = struct;
    this.#path.push(key);
    read();
    this.#path.pop();
    this.#struct = outer;
  }

  /**
   * Records a type error, unless there is one already. `value` is a kind, or a number that is out of range.
   *
   * compat: the text is that of encoding/json UnmarshalTypeError.Error.
   */
  saveTypeFault(value: string, goType: string, offset = this.#at): void {
    if (this.typeFault !== undefined) return;
    const field = this.#path.length > 0 ? `struct field ${this.#struct}.${this.#path.join(".")}` : "value";
    const reason = `json: cannot unmarshal ${value} into Go ${field} of type ${goType}`;
    this.typeFault = { ok: false, reason, offset };
  }

  get offset(): number {
    return this.#at;
  }

  skip(): void {
    this.#skipSpace();
    const known = this.#ends?.get(this.#at);
    const value = known === undefined ? scanValue(this.#bytes, this.#at) : { ok: true, end: known };
    this.#at = value.ok ? value.end : this.#bytes.length;
  }

  /** Steps over a comma and returns true before a next element; at the closing byte, steps over it and returns false. */
  #moreOf(close: number): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#at] === byteOf.comma) {
      this.#at++;
      this.#skipSpace();
    }
    if (this.#bytes[this.#at] !== close) return true;
    this.#at++;
    return false;
  }

  #skipSpace(): void {
    this.#at = skipSpace(this.#bytes, this.#at);
  }
}

/** The offset after the closing quote of the string whose opening quote is at `open`. The scanner must have accepted the string. */
export function quotedEnd(bytes: Uint8Array, open: number): number {
  for (let at = open + 1; at < open + shortString; at++) {
    const byte = bytes[at];
    if (byte === byteOf.quote || byte === undefined) return at + 1;
    if (byte === byteOf.backslash) break;
  }
  return (closingQuote(bytes, open + 1) ?? bytes.length) + 1;
}

/** In bytes: up to this length, a loop over the bytes is faster than the engine's native search. */
const shortString = 32;

/**
 * The text of a string that the scanner has accepted, given the range of its bytes between the quotes.
 *
 * compat: encoding/json unquote: each invalid byte becomes one U+FFFD, and so does each `\u` escape of a lone surrogate.
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

/** Whether the byte is ASCII and no backslash, as nearly all bytes of strings are. */
function isPlain(byte: number): boolean {
  return byte < 0x80 && byte !== byteOf.backslash;
}

// With the u flag, the pattern matches a surrogate only when it is not part of a pair.
const loneSurrogate = /\p{Cs}/gu;
