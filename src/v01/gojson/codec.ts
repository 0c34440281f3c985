import { Decoder, type Kind } from "./decoder.js";
import { formatMap, formatString } from "./format.js";
import type { Fault } from "./literals.js";
import { compact, type RawJson } from "./raw.js";
import { type Extent, scanDocument, scanFirstValue } from "./scanner.js";

/**
 * Reads one Go type from JSON and writes it to JSON. The tables of codecs stand for the Go structs. `T` is the type of a value in
 * TypeScript, where `undefined` stands for Go's nil pointer and for an empty value that the JSON leaves out.
 */
export interface Codec<T> {
  /** The type's name in Go's type errors. */
  readonly goType: string;
  readonly zero: () => T;
  /**
   * Reads the value at the decoder's position. A key may occur twice in an object: `previous` is the value from the earlier
   * occurrence, and stays when the new value is null or of a wrong type.
   */
  readonly read: (decoder: Decoder, previous: T) => T;
  readonly format: (value: T) => string;
  readonly isEmpty: (value: T) => boolean;
  /** Whether a struct leaves its field out of the JSON when the value is empty. */
  readonly omitEmpty: boolean;
}

/** The type that a codec reads. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** A Go string, or a type based on it. */
export function string(goType = "string"): Codec<string> {
  return scalar<string>("string", goType, "", (decoder) => decoder.readString(), formatString);
}

/** A Go bool. */
export const bool: Codec<boolean> = scalar("bool", "bool", false, (decoder) => decoder.readBool(), String);

/** A 64-bit integer, exact. */
export const int64: Codec<bigint> = integer("int64", -(2n ** 63n), 2n ** 63n - 1n);
export const uint64: Codec<bigint> = integer("uint64", 0n, 2n ** 64n - 1n);

/** A small unsigned integer. */
export const uint16: Codec<number> = smallInteger("uint16", 2n ** 16n - 1n);
export const uint32: Codec<number> = smallInteger("uint32", 2n ** 32n - 1n);

/** A json.RawMessage: any JSON value, null included, kept as text. */
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

/** A Go pointer: null makes the pointer nil, any other value is read into what the pointer points to. */
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

/** A Go field with `omitempty`: an empty value is undefined in TypeScript, and the JSON leaves it out. */
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

/** A Go map with string keys; nil and an empty map are both an empty object here. */
export function map<T>(element: Codec<T>): Codec<Record<string, T>> {
  return composite<Record<string, T>>({
    kind: "object",
    goType: `map[string]${element.goType}`,
    // An object without a prototype treats a key like `__proto__` as any other key.
    zero: () => Object.create(null),
    // compat: a second object under the same key adds to the map; Go reads each element from its zero value, even where
    // the map already has the key.
    readValue: (decoder, entries) => {
      decoder.readObject((key) => {
        entries[key] = element.read(decoder, element.zero());
      });
      return entries;
    },
    canBeNil: true,
    format: (value) => formatMap(value, element.format),
    isEmpty: (value) => Object.keys(value).length === 0,
  });
}

/** A Go slice; nil and an empty slice are both an empty array here. */
export function slice<T>(element: Codec<T>): Codec<T[]> {
  return composite<T[]>({
    kind: "array",
    goType: `[]${element.goType}`,
    zero: () => [],
    // compat: Go reads a second array under the same key into the elements of the first, one by one. (Go also brings
    // back elements that a shorter second array cut off when a third is longer; this codec does not.)
    readValue: (decoder, previous) => {
      const elements: T[] = [];
      decoder.readArray((index) => elements.push(element.read(decoder, previous[index] ?? element.zero())));
      return elements;
    },
    canBeNil: true,
    format: (value) => `[${value.map(element.format).join(",")}]`,
    isEmpty: (value) => value.length === 0,
  });
}

/** The fields of a Go struct, in Go's order; the name of each field here is its JSON key. */
type Fields<T> = { readonly [K in keyof T]-?: Codec<T[K]> };

/** Makes each key optional whose value can be undefined. */
type WithOptional<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A Go struct. `goType` is its name with the package (`v1.Result`). */
export function struct<T extends object>(goType: string, fields: Fields<T>): Codec<WithOptional<T>>;
export function struct<T extends object>(goType: string, fields: Fields<T>): Codec<T> {
  const structName = goType.slice(goType.indexOf(".") + 1);
  const keys: Extract<keyof T, string>[] = [];
  for (const key in fields) keys.push(key);
  // Most JSON texts spell their keys exactly as the table does, so the exact name is looked up first.
  const byKey = new Map(keys.map((key) => [String(key), key]));
  const byFoldedKey = new Map(keys.map((key) => [foldKey(key), key]));
  const written = keys.map((key) => ({ key, codec: fields[key], before: `"${key}":` }));
  return composite<T>({
    kind: "object",
    goType,
    zero: () => {
      const value: T = Object.create(Object.prototype);
      for (const key of keys) setField(value, key, fields[key].zero());
      return value;
    },
    readValue: (decoder, value) => {
      decoder.readObject((text) => {
        const key = byKey.get(text) ?? byFoldedKey.get(foldKey(text));
        if (key === undefined) decoder.skip();
        else {
          decoder.inField(structName, key, () => setField(value, key, fields[key].read(decoder, value[key])));
        }
      });
      return value;
    },
    canBeNil: false,
    format: (value) => {
      let text = "";
      for (const { key, codec, before } of written) {
        if (codec.omitEmpty && codec.isEmpty(value[key])) continue;
        text += `${text === "" ? "" : ","}${before}${codec.format(value[key])}`;
      }
      return `{${text}}`;
    },
    isEmpty: () => false,
  });
}

function setField<T extends object, K extends keyof T>(target: T, key: K, value: T[K]): void {
  if (value !== undefined) target[key] = value;
  // Only where the property exists: V8 turns an object into a slower hash table when a property is deleted.
  else if (target[key] !== undefined) Reflect.deleteProperty(target, key);
}

// compat: encoding/json foldFunc: Go ignores letter case, and takes the Kelvin sign for a k and the long s for an s.
function foldKey(key: string): string {
  return key.toLowerCase().replaceAll("\u017f", "s");
}

interface Composite<T> extends Omit<Codec<T>, "read" | "omitEmpty"> {
  readonly kind: Kind;
  readonly readValue: Codec<T>["read"];
  /** compat: in Go, null leaves a value unchanged whose type cannot be nil. */
  readonly canBeNil: boolean;
}

function composite<T>({ kind, readValue, canBeNil, ...codec }: Composite<T>): Codec<T> {
  return {
    ...codec,
    omitEmpty: false,
    read: (decoder, previous) => {
      const found = decoder.peek();
      if (found === kind) return readValue(decoder, previous);
      if (found !== "null") decoder.saveTypeFault(found, codec.goType);
      decoder.skip();
      return found === "null" && canBeNil ? codec.zero() : previous;
    },
  };
}

function scalar<T>(
  kind: Kind,
  goType: string,
  zero: T,
  readValue: Codec<T>["read"],
  format: Codec<T>["format"],
): Codec<T> {
  const isEmpty = (value: T) => value === zero;
  return composite<T>({ kind, goType, zero: () => zero, readValue, canBeNil: false, format, isEmpty });
}

function integer(goType: string, min: bigint, max: bigint): Codec<bigint> {
  const readValue = (decoder: Decoder, previous: bigint) => {
    const { offset } = decoder;
    const text = decoder.readNumber();
    // compat: strconv.ParseInt accepts no fraction and no exponent, and ParseUint accepts no sign either. No 64-bit
    // number has more than 20 characters, so a longer text is refused before the costly conversion to BigInt.
    const isInteger = text.length <= 20 && /^-?\d+$/.test(text) && (min < 0n || !text.startsWith("-"));
    const value = isInteger ? BigInt(text) : undefined;
    if (value !== undefined && value >= min && value <= max) return value;
    decoder.saveTypeFault(`number ${text}`, goType, offset);
    return previous;
  };
  return scalar<bigint>("number", goType, 0n, readValue, String);
}

function smallInteger(goType: string, max: bigint): Codec<number> {
  const wide = integer(goType, 0n, max);
  const readValue = (decoder: Decoder, previous: number) => Number(wide.read(decoder, BigInt(previous)));
  return scalar<number>("number", goType, 0, readValue, String);
}

/** A decoded value, or the fault of the text: `reason` is the error of Go's encoding/json, word for word. */
type Decoded<T> = { readonly ok: true; readonly value: T } | (Fault & { readonly code: "JSON_SYNTAX" | "JSON_TYPE" });

/** Decodes bytes that hold one JSON value and nothing else, as Go's json.Unmarshal does. */
export function decodeDocument<T>(bytes: Uint8Array, codec: Codec<T>): Decoded<T> {
  return decode(bytes, scanDocument(bytes), codec);
}

/** Decodes the first JSON value and ignores what follows, as Go's json.Decoder does. */
export function decodeFirstValue<T>(bytes: Uint8Array, codec: Codec<T>): Decoded<T> {
  return decode(bytes, scanFirstValue(bytes), codec);
}

function decode<T>(bytes: Uint8Array, scan: Extent | Fault, codec: Codec<T>): Decoded<T> {
  if (!scan.ok) return { ...scan, code: "JSON_SYNTAX" };
  const decoder = new Decoder(bytes, scan.start, scan.ends);
  const value = codec.read(decoder, codec.zero());
  return decoder.typeFault === undefined ? { ok: true, value } : { ...decoder.typeFault, code: "JSON_TYPE" };
}
