import type { Codec } from "./codec.js";
import { Decoder } from "./decoder.js";
import type { Fault } from "./literals.js";
import { type Extent, scanDocument, scanFirstValue } from "./scanner.js";

/** A value, or what is wrong with its text: `reason` is the error of Go's encoding/json, word for word. */
export type Decoded<T> = { readonly ok: true; readonly value: T } | DecodeFault;

export interface DecodeFault extends Fault {
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
