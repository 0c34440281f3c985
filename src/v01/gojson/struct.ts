import type { Codec } from "./codec.js";
import type { Decoder } from "./decoder.js";
import { formatMap, formatString } from "./format.js";

/**
 * The fields of a Go struct, in Go's order: the JSON key of each is its name here. A field whose codec says
 * `omitEmpty` is left out when it is empty.
 */
export type Fields<T> = { readonly [K in keyof T]-?: Codec<T[K]> };

/** A Go struct. `goType` is its name with the package (`v1.Result`); `fresh` makes an empty one. */
export function struct<T extends object>(goType: string, fresh: () => T, fields: Fields<T>): Codec<T> {
  const table: Field<T>[] = [];
  for (const key in fields) table.push(field(goType, key, fields[key]));
  const byKey = new Map(table.map((entry) => [entry.key, entry]));
  const byFoldedKey = new Map(table.map((entry) => [foldKey(entry.key), entry]));
  return {
    goType,
    zero: fresh,
    read: (decoder, previous) => {
      const found = decoder.peek();
      if (found === "object") {
        decoder.readObject((key) => {
          const match = byKey.get(key) ?? byFoldedKey.get(foldKey(key));
          if (match === undefined) decoder.skip();
          else match.read(decoder, previous);
        });
      } else if (found === "null") {
        decoder.skip();
      } else {
        decoder.refuse(goType);
      }
      return previous;
    },
    format: (value) => {
      let text = "";
      for (const entry of table) {
        const formatted = entry.format(value);
        if (formatted !== undefined) text += `${text === "" ? "" : ","}${entry.prefix}${formatted}`;
      }
      return `{${text}}`;
    },
    isEmpty: () => false,
    omitEmpty: false,
  };
}

/** A Go map with string keys; nil and empty are the same here. */
export function map<T>(element: Codec<T>): Codec<Record<string, T>> {
  const goType = `map[string]${element.goType}`;
  return {
    goType,
    zero: emptyRecord,
    read: (decoder, previous) => {
      const found = decoder.peek();
      if (found === "object") {
        // compat: a second object of the same key adds to the map; an element starts from zero, whatever was there.
        const isOurs = decoder.madeMaps.has(previous);
        const entries = isOurs ? previous : Object.assign(emptyRecord<T>(), previous);
        if (!isOurs) decoder.madeMaps.add(entries);
        decoder.readObject((key) => {
          entries[key] = element.read(decoder, element.zero());
        });
        return entries;
      }
      if (found !== "null") {
        decoder.refuse(goType);
        return previous;
      }
      decoder.skip();
      return emptyRecord();
    },
    format: (value) => formatMap(value, element.format),
    isEmpty: (value) => Object.keys(value).length === 0,
    omitEmpty: false,
  };
}

/** A Go slice; nil and empty are the same here. */
export function slice<T>(element: Codec<T>): Codec<T[]> {
  const goType = `[]${element.goType}`;
  return {
    goType,
    zero: () => [],
    read: (decoder, previous) => {
      const found = decoder.peek();
      if (found === "array") {
        // compat: a second array of the same key is read into the elements of the first, one by one. (Go also brings
        // back elements that a shorter second array had cut off when a third is longer; we do not.)
        const elements: T[] = [];
        decoder.readArray((index) => {
          elements.push(
            element.read(decoder, index < previous.length ? (previous[index] ?? element.zero()) : element.zero()),
          );
        });
        return elements;
      }
      if (found !== "null") {
        decoder.refuse(goType);
        return previous;
      }
      decoder.skip();
      return [];
    },
    format: (value) => `[${value.map(element.format).join(",")}]`,
    isEmpty: (value) => value.length === 0,
    omitEmpty: false,
  };
}

interface Field<T> {
  readonly key: string;
  readonly prefix: string;
  readonly read: (decoder: Decoder, target: T) => void;
  /** Undefined when the field is left out. */
  readonly format: (value: T) => string | undefined;
}

function field<T extends object, K extends Extract<keyof T, string>>(
  goType: string,
  key: K,
  codec: Codec<T[K]>,
): Field<T> {
  const structName = goType.slice(goType.indexOf(".") + 1);
  return {
    key,
    prefix: `${formatString(key)}:`,
    read: (decoder, target) => {
      decoder.inField(structName, key, () => {
        const value = codec.read(decoder, target[key]);
        if (value === undefined) Reflect.deleteProperty(target, key);
        else target[key] = value;
      });
    },
    format: (value) => (codec.omitEmpty && codec.isEmpty(value[key]) ? undefined : codec.format(value[key])),
  };
}

/** A record without a prototype, so that a key like `__proto__` is a key like any other. */
function emptyRecord<T>(): Record<string, T> {
  return Object.create(null);
}

// compat: encoding/json foldFunc: letter case is ignored, and the long s and the Kelvin sign are an s and a k.
function foldKey(key: string): string {
  return key.replace(/[A-Z\u017f\u212a]/g, (letter) =>
    letter === "\u017f" ? "s" : letter === "\u212a" ? "k" : letter.toLowerCase(),
  );
}
