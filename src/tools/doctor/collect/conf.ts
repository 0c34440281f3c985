import { BridgeError, errorText } from "../../../base/errors.js";
import {
  findConfigPermissionFault,
  findPermissionFault,
  PermissionWalk,
  type WalkOptions,
} from "../../../base/permissions.js";
import type { NodeFiles } from "../../../host/node-files.js";
import type { ConfigFault } from "../../../host/runtime-toml.js";
import { createConfFile } from "../../../plugin/conf-file.js";
import { findExecutableFault } from "../../../plugin/permissions.js";
import { Decoder } from "../../../v01/gojson/decoder.js";
import { byteOf } from "../../../v01/gojson/literals.js";
import { positionOf } from "../../../v01/gojson/position.js";
import { scanFirstValue, skipSpace } from "../../../v01/gojson/scanner.js";
import type { ConfigList } from "../../../v01/types.js";

export interface ConfFacts {
  readonly path: string;
  readonly exists: boolean;
  /** Undefined when it cannot be read. */
  readonly list: ConfigList | undefined;
  readonly fault: ConfigFault | undefined;
  /** Why it cannot be opened or read, as errno's name. */
  readonly refusal: string | undefined;
  /** It is empty, or white space. */
  readonly blank: boolean;
  /** Keys that v0.1 clients pass over. */
  readonly unknownKeys: readonly ConfigFault[];
  /** Where text begins that stands after the first JSON value, and is passed over. */
  readonly trailing: string | undefined;
  readonly permissionFault: string | null;
}

/** conf.json as the bridge reads it, and what v0.1 clients pass over in silence. */
export function readConf(files: NodeFiles, path: string): ConfFacts {
  const here = files.locate(path);
  const exists = files.mayExist(path);
  const refusal = exists ? files.refusal(path) : undefined;
  const permissionFault = exists && refusal === undefined ? configFaultOf(files, path) : null;
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

/** findPermissionFault for a file of the node, in the node's names. */
export function permissionFaultOf(files: NodeFiles, path: string): string | null {
  return inNodesNames(files, findPermissionFault(path, walked(files)));
}

/** The same for a configuration file. */
export function configFaultOf(files: NodeFiles, path: string): string | null {
  return inNodesNames(files, findConfigPermissionFault(path, walked(files)));
}

/** The same for an executable, and what its first line leads to. */
export function executableFaultOf(files: NodeFiles, path: string, searchPath: string): string | null {
  return inNodesNames(files, findExecutableFault(path, searchPath, new PermissionWalk(walked(files))));
}

function walked({ root }: NodeFiles): WalkOptions {
  return { below: root === "/" ? "" : root };
}

function inNodesNames(files: NodeFiles, fault: string | null): string | null {
  return fault === null ? null : files.rename(fault);
}

function toFault(path: string, bytes: Uint8Array, error: unknown, files: NodeFiles): ConfigFault {
  const { line, column, index } = error instanceof BridgeError ? error.fields : {};
  const text = files.rename(errorText(error));
  if (typeof line === "number" && typeof column === "number") return { where: `${path}:${line}:${column}`, text };
  // Only an entry that is null has an index and no place.
  const entry = typeof index === "number" ? entriesOf(bytes)[index] : undefined;
  return { where: entry === undefined ? path : placeIn(path, bytes, entry), text };
}

/** What is written there and containerd 1.6 never looked at. */
function passedOver(bytes: Uint8Array, path: string): Pick<ConfFacts, "unknownKeys" | "trailing"> {
  const value = scanFirstValue(bytes);
  if (!value.ok) return { unknownKeys: [], trailing: undefined };
  const after = skipSpace(bytes, value.end);
  const unknownIn = (start: number, known: readonly string[], prefix: string): readonly ConfigFault[] =>
    keysOf(bytes, start)
      .filter(({ text }) => !known.includes(text.toLowerCase()))
      .map((key) => ({ text: `${prefix}${key.text}`, where: placeIn(path, bytes, key.start) }));
  const unknownInEntries = entriesOf(bytes).map((start, at) => unknownIn(start, ["type", "conf"], `plugins[${at}].`));
  return {
    unknownKeys: [...unknownIn(value.start, ["version", "plugins"], ""), ...unknownInEntries.flat()],
    trailing: after < bytes.length ? placeIn(path, bytes, after) : undefined,
  };
}

/** Where the entries of `plugins` begin, whatever its letter case. */
function entriesOf(bytes: Uint8Array): readonly number[] {
  const root = scanFirstValue(bytes);
  const entries: number[] = [];
  for (const { text, value } of root.ok ? keysOf(bytes, root.start) : []) {
    const decoder = new Decoder(bytes, value);
    if (text.toLowerCase() !== "plugins" || decoder.peek() !== "array") continue;
    decoder.readArray(() => entries.push(decoder.readExtent().start));
  }
  return entries;
}

/** The keys of the object that begins at an offset, and where they and their values do; none when it is no object. */
function keysOf(bytes: Uint8Array, start: number) {
  const keys: { readonly text: string; readonly start: number; readonly value: number }[] = [];
  const decoder = new Decoder(bytes, start);
  if (decoder.peek() !== "object") return keys;
  let from = decoder.offset + 1;
  decoder.readObject((text) => {
    const at = skipSpace(bytes, from);
    const begin = bytes[at] === byteOf.comma ? skipSpace(bytes, at + 1) : at;
    keys.push({ text, start: begin, value: decoder.readExtent().start });
    from = decoder.offset;
  });
  return keys;
}

function placeIn(path: string, bytes: Uint8Array, offset: number): string {
  const { line, column } = positionOf(bytes, offset);
  return `${path}:${line}:${column}`;
}
