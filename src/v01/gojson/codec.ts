import { Decoder, type Kind } from "./decoder.js";
import { formatString } from "./format.js";
import type { Fault } from "./literals.js";
import { compact, type RawJson } from "./raw.js";
import { type Extent, scanDocument, scanFirstValue } from "./scanner.js";

/**
 * How one Go type is read from JSON and written to it. Tables of codecs (see struct.ts) are the Go structs; `T` is what
 * a value is here, where `undefined` stands for Go's nil pointer and for an empty value that is left out.
 */
export interface Codec<T> {
  /** As Go's type errors name it. */
  readonly goType: string;
  readonly zero: () => T;
  /**
   * Reads the value that `decoder` stands at. A key may occur twice: `previous` is what the key holds by then, and
   * stays when the value is null or of a wrong type.
   */
  readonly read: (decoder: Decoder, previous: T) => T;
  readonly format: (value: T) => string;
  readonly isEmpty: (value: T) => boolean;
  /** Whether a struct leaves its field out when the value is empty. */
  readonly omitEmpty: boolean;
}

/** A Go string, or a type based on it. */
export function string(goType = "string"): Codec<string> {
  return scalar("string", goType, "", (decoder) => decoder.readString(), formatString);
}

/** A Go bool. */
export const bool: Codec<boolean> = scalar("bool", "bool", false, (decoder) => decoder.readBool(), String);

/** A 64-bit integer, exact. */
export const int64: Codec<bigint> = integer("int64", -(2n ** 63n), 2n ** 63n - 1n);
export const uint64: Codec<bigint> = integer("uint64", 0n, 2n ** 64n - 1n);

/** A small unsigned integer. */
export const uint16: Codec<number> = smallInteger("uint16", 2n ** 16n - 1n);
export const uint32: Codec<number> = smallInteger("uint32", 2n ** 32n - 1n);

/** A json.RawMessage: any value, null too, kept as text. */
export const raw: Codec<RawJson | undefined> = {
  goType: "json.RawMessage",
  zero: () => undefined,
  read: (decoder) => {
    const { bytes, start, end } = decoder.readExtent();
    return compact(bytes, start, end);
  },
  format: (value) => value ?? "null",
  isEmpty: (value) => value === undefined,
  omitEmpty: true,
};

/** A Go pointer: null makes it nil, a value is read into what it points to. */
export function pointer<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    goType: `*${codec.goType}`,
    zero: () => undefined,
    read: (decoder, previous) => {
      if (decoder.peek() !== "null") return codec.read(decoder, previous ?? codec.zero());
      decoder.skip();
      return undefined;
    },
    format: (value) => (value === undefined ? "null" : codec.format(value)),
    isEmpty: (value) => value === undefined,
    omitEmpty: true,
  };
}

/** A value that is absent here, as it is in the text, when it is empty. */
export function omitempty<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    goType: codec.goType,
    zero: () => undefined,
    read: (decoder, previous) => {
      const value = codec.read(decoder, previous ?? codec.zero());
      return codec.isEmpty(value) ? undefined : value;
    },
    format: (value) => codec.format(value ?? codec.zero()),
    isEmpty: (value) => value === undefined || codec.isEmpty(value),
    omitEmpty: true,
  };
}

function scalar<T>(
  kind: Kind,
  goType: string,
  zero: T,
  readValue: (decoder: Decoder, previous: T) => T,
  format: (value: T) => string,
): Codec<T> {
  return {
    goType,
    zero: () => zero,
    read: (decoder, previous) => {
      const found = decoder.peek();
      if (found === kind) return readValue(decoder, previous);
      // compat: null has no effect on a Go value that cannot be nil.
      if (found === "null") decoder.skip();
      else decoder.refuse(goType);
      return previous;
    },
    format,
    isEmpty: (value) => value === zero,
    omitEmpty: false,
  };
}

function integer(goType: string, min: bigint, max: bigint): Codec<bigint> {
  const signed = min < 0n;
  return scalar<bigint>(
    "number",
    goType,
    0n,
    (decoder, previous) => {
      const offset = decoder.offset;
      const text = decoder.readNumber();
      const value = parseInteger(text, signed);
      if (value !== undefined && value >= min && value <= max) return value;
      decoder.saveTypeFault(`number ${text}`, goType, offset);
      return previous;
    },
    String,
  );
}

function smallInteger(goType: string, max: bigint): Codec<number> {
  const wide = integer(goType, 0n, max);
  return {
    goType,
    zero: () => 0,
    read: (decoder, previous) => Number(wide.read(decoder, BigInt(previous))),
    format: String,
    isEmpty: (value) => value === 0,
    omitEmpty: false,
  };
}

// compat: strconv.ParseInt takes no fraction and no exponent, ParseUint no sign either. No 64-bit number has more than
// 20 characters, and a longer one is not worth the work of a BigInt.
function parseInteger(text: string, signed: boolean): bigint | undefined {
  if (text.length > 20 || !/^-?\d+$/.test(text)) return undefined;
  return text.startsWith("-") && !signed ? undefined : BigInt(text);
}

/** A value, or what is wrong with its text: `reason` is the error of Go's encoding/json, word for word. */
type Decoded<T> = { readonly ok: true; readonly value: T } | DecodeFault;

interface DecodeFault extends Fault {
  readonly code: "JSON_SYNTAX" | "JSON_TYPE";
}

/** Reads bytes that hold one value and nothing else, as Go's json.Unmarshal. */
export function decodeDocument<T>(bytes: Uint8Array, codec: Codec<T>): Decoded<T> {
  return decode(bytes, scanDocument(bytes), codec);
}

/** Reads the first value and ignores what follows, as Go's json.Decoder. */
export function decodeFirstValue<T>(bytes: Uint8Array, codec: Codec<T>): Decoded<T> {
  return decode(bytes, scanFirstValue(bytes), codec);
}

function decode<T>(bytes: Uint8Array, scan: Extent | Fault, codec: Codec<T>): Decoded<T> {
  if (!scan.ok) return { ...scan, code: "JSON_SYNTAX" };
  const decoder = new Decoder(bytes, scan.start);
  const value = codec.read(decoder, codec.zero());
  return decoder.typeFault === undefined ? { ok: true, value } : { ...decoder.typeFault, code: "JSON_TYPE" };
}
