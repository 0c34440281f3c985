import { BridgeError, errorText } from "../../errors.js";
import { Decoder } from "../../gojson/decoder.js";
import { byteOf } from "../../gojson/literals.js";
import { positionOf } from "../../gojson/position.js";
import { scanFirstValue, skipSpace } from "../../gojson/scanner.js";
import { createConfFile } from "../../legacy/conf-file.js";
import type { ConfFacts, ConfigFault } from "../facts.js";
import type { NodeFiles } from "../node-files.js";
import { findFaultBelow } from "../permissions.js";

/** conf.json as the bridge reads it, and what v0.1 clients pass over in silence. */
export function readConf(files: NodeFiles, path: string): ConfFacts {
  const here = files.locate(path);
  const exists = files.mayExist(path);
  const refusal = exists ? files.refusal(path) : undefined;
  const permissionFault = exists && refusal === undefined ? findFaultBelow(files, path) : null;
  const bytes = files.readBytes(path) ?? Buffer.from("{}");
  const about = {
    path,
    exists,
    refusal,
    blank: skipSpace(bytes, 0) === bytes.length,
    permissionFault,
  };
  try {
    const list = createConfFile(here).read();
    return { ...about, list, fault: undefined, ...passedOver(bytes, path) };
  } catch (error) {
    const fault = toFault(path, bytes, error, files);
    return { ...about, list: undefined, fault, unknownKeys: [], trailing: undefined };
  }
}

function toFault(path: string, bytes: Uint8Array, error: unknown, files: NodeFiles): ConfigFault {
  const { line, column, index } = error instanceof BridgeError ? error.fields : {};
  const text = files.rename(errorText(error));
  if (typeof line === "number" && typeof column === "number") return { where: `${path}:${line}:${column}`, text };
  // Only an entry that is null has an index and no place.
  const entry = typeof index === "number" ? entriesOf(bytes)[index] : undefined;
  return { where: entry === undefined ? path : placeIn(path, bytes, entry), text };
}

/** What containerd 1.6 never looked at, though somebody wrote it. */
function passedOver(bytes: Uint8Array, path: string): Pick<ConfFacts, "unknownKeys" | "trailing"> {
  const value = scanFirstValue(bytes);
  if (!value.ok) return { unknownKeys: [], trailing: undefined };
  const after = skipSpace(bytes, value.end);
  const trailing = after < bytes.length ? placeIn(path, bytes, after) : undefined;
  const top = unknownIn(bytes, value.start, ["version", "plugins"], "");
  const inEntries = entriesOf(bytes).flatMap((start, at) =>
    unknownIn(bytes, start, ["type", "conf"], `plugins[${at}].`),
  );
  const unknownKeys = [...top, ...inEntries].map(({ text, start }) => ({ text, where: placeIn(path, bytes, start) }));
  return { unknownKeys, trailing };
}

interface Placed {
  readonly text: string;
  /** The byte that it begins at. */
  readonly start: number;
}

function unknownIn(bytes: Uint8Array, start: number, known: readonly string[], prefix: string): readonly Placed[] {
  const decoder = new Decoder(bytes, start);
  if (decoder.peek() !== "object") return [];
  return keysOf(decoder, bytes)
    .filter(({ text }) => !known.includes(text.toLowerCase()))
    .map((key) => ({ ...key, text: `${prefix}${key.text}` }));
}

/** Where the entries of `plugins` begin, whatever its letter case. */
function entriesOf(bytes: Uint8Array): readonly number[] {
  const value = scanFirstValue(bytes);
  if (!value.ok) return [];
  const entries: number[] = [];
  const decoder = new Decoder(bytes, value.start);
  if (decoder.peek() !== "object") return [];
  decoder.readObject((key) => {
    if (key.toLowerCase() !== "plugins" || decoder.peek() !== "array") return decoder.skip();
    decoder.readArray(() => entries.push(decoder.readExtent().start));
  });
  return entries;
}

/** @param decoder at an object's brace */
function keysOf(decoder: Decoder, bytes: Uint8Array): readonly Placed[] {
  const keys: Placed[] = [];
  let from = decoder.offset + 1;
  decoder.readObject((text) => {
    const at = skipSpace(bytes, from);
    keys.push({ text, start: bytes[at] === byteOf.comma ? skipSpace(bytes, at + 1) : at });
    decoder.skip();
    from = decoder.offset;
  });
  return keys;
}

function placeIn(path: string, bytes: Uint8Array, offset: number): string {
  const { line, column } = positionOf(bytes, offset);
  return `${path}:${line}:${column}`;
}
